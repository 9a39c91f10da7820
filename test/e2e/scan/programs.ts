/** rspamd and clamd as Debian has them, each with a configuration of the test's own and nobody in the network to ask: packages `rspamd` and `clamav-daemon`. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type Program, startProgram } from '../world/programs.ts'

/** What the only signature looks for. */
export const MARKER = 'POSTERN-HARMLESS-TEST-SIGNATURE'
export const SIGNATURE = 'Postern.Test.Marker'
/** By the first letter: reject, add header, rewrite subject, nothing. */
export const gtube = (letter: 'X' | 'Y' | 'Z' | 'A'): string => `${letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X`
/** Octets that each takes. */
export const TAKEN = 1024 * 1024

const isRoot = process.getuid?.() === 0

export async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** X-Score is a message's score, X-Soft what it is refused for now with, and X-Tell makes it say what it was told. */
const RULES = `
rspamd_config:register_symbol({ name = 'WANTED', type = 'normal', score = 1.0, callback = function(task)
  local score = task:get_header('X-Score')
  if score then return true, tonumber(score) end
  if task:get_header('X-Soft') then task:set_pre_result('soft reject', task:get_header('X-Soft')) end
  if task:get_header('X-Tell') then
    local from = task:get_from('smtp')
    local rcpt = {}
    for _, one in ipairs(task:get_recipients('smtp') or {}) do rcpt[#rcpt + 1] = one.addr end
    task:set_pre_result('reject', string.format('from=<%s> rcpt=<%s> ip=%s helo=%s host=%s user=%s mta=%s queue=%s size=%s',
      from and from[1] and from[1].addr or '', table.concat(rcpt, ','), task:get_ip(), task:get_helo(), task:get_hostname(), task:get_user(),
      task:get_request_header('MTA-Name'), task:get_queue_id(), task:get_size()))
  end
end })
`

/** Without Redis, DNS and maps; it starts in less than a second since it knows three top-level domains. */
export async function startRspamd(dir: string, port: number): Promise<Program> {
  const at = (name: string): string => join(dir, name)
  writeFileSync(at('rules.lua'), RULES)
  writeFileSync(at('tld.dat'), 'test\norg\nexample\n')
  const config = `
options {
  tempdir = "${dir}"; hs_cache_dir = "${dir}"; pidfile = "${at('rspamd.pid')}"; control_socket = "${at('control.sock')} mode=0600";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  url_tld = "${at('tld.dat')}"; filters = ""; enable_test_patterns = true; max_message = ${TAKEN};
}
logging { type = "console"; level = "info"; }
actions { reject = 15; add_header = 6; greylist = 4; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
lua = "${at('rules.lua')}";
`
  writeFileSync(at('rspamd.conf'), config)
  const args = ['-f', '-i', '-c', at('rspamd.conf'), ...(isRoot ? ['-u', 'root', '-g', 'root'] : [])]
  return startProgram('rspamd', { args, log: at('rspamd.log'), at: { host: '127.0.0.1', port } })
}

/** One signature; it also listens at `socket`. */
export async function startClamd(dir: string, port: number, socket: string): Promise<Program> {
  const at = (name: string): string => join(dir, name)
  writeFileSync(at('test.ndb'), `${SIGNATURE}:0:*:${Buffer.from(MARKER).toString('hex')}\n`)
  const settings = [
    `DatabaseDirectory ${dir}`,
    `TemporaryDirectory ${dir}`,
    'TCPAddr 127.0.0.1',
    `TCPSocket ${port}`,
    `LocalSocket ${socket}`,
    `StreamMaxLength ${TAKEN}`,
    'Foreground yes',
    ...(isRoot ? ['User root'] : []),
  ]
  writeFileSync(at('clamd.conf'), `${settings.join('\n')}\n`)
  return startProgram('clamd', { args: ['-c', at('clamd.conf')], log: at('clamd.log'), at: { host: '127.0.0.1', port } })
}
