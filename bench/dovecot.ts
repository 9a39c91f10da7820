/** A Dovecot of its own: generated config, a folder of its own, free ports on loopback, ended by its own pid. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeSelfSigned } from '../src/net/self-signed.ts'
import { dovecotConfig } from './dovecot-config.ts'
import type { Peer, User } from './peer.ts'
import { cpuOf, isAlive } from './processes.ts'

const BINARY = '/usr/sbin/dovecot'
const LMTP = '/usr/lib/dovecot/lmtp'
const IMAP = '/usr/lib/dovecot/imap'
const POP3 = '/usr/lib/dovecot/pop3'
/** Debian's, made for mail. */
const MAIL_USER = 'mail'
const START_TIMEOUT = 10_000
const STOP_TIMEOUT = 10_000

/** Why Dovecot cannot be measured here; undefined when it can. */
export function dovecotMissing(): string | undefined {
  const missing = [BINARY, IMAP, POP3, LMTP].find((file) => !existsSync(file))
  if (missing) return `${missing} is not there (Debian: apt-get install dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd)`
  if (process.getuid?.() !== 0) return 'Dovecot must be started as root'
  return undefined
}

export async function startDovecot(dir: string, users: readonly User[]): Promise<Peer> {
  const version = execFileSync(BINARY, ['--version'], { encoding: 'utf8' }).split(' ')[0]!.trim()
  const { cert, key } = makeSelfSigned({ hostname: 'localhost', now: Date.now() })
  const [imapPort, pop3Port, lmtpPort] = [await freePort(), await freePort(), await freePort()]
  for (const folder of ['run', 'state', 'mail']) mkdirSync(join(dir, folder), { recursive: true, mode: 0o755 })
  execFileSync('chown', [MAIL_USER, join(dir, 'mail')])
  writeFileSync(join(dir, 'cert.pem'), cert)
  writeFileSync(join(dir, 'key.pem'), key, { mode: 0o600 })
  writeFileSync(join(dir, 'users'), users.map(({ address, password }) => `${address}:${password}\n`).join(''))
  writeFileSync(join(dir, 'dovecot.conf'), dovecotConfig({ dir, imapPort, pop3Port, lmtpPort, mailUser: MAIL_USER, processes: users.length }))
  const master = spawn(BINARY, ['-F', '-c', join(dir, 'dovecot.conf')], { stdio: ['ignore', 'ignore', 'inherit'] })
  const pid = master.pid
  if (pid === undefined) throw new Error('Dovecot did not start')
  await listening(pid, join(dir, 'run', 'login', 'imap'), join(dir, 'dovecot.log'))
  return {
    name: 'Dovecot',
    version: `Dovecot ${version} (mdbox, mail_fsync=optimized)`,
    imap: { host: '127.0.0.1', port: imapPort, ca: cert },
    pop3: { host: '127.0.0.1', port: pop3Port, ca: cert },
    delivery: { protocol: 'lmtp', host: '127.0.0.1', port: lmtpPort },
    users,
    cpu: () => cpuOf([pid]),
    wal: async () => undefined,
    rest: async () => undefined,
    settle: async () => 0,
    async stop() {
      process.kill(pid, 'SIGTERM')
      for (const until = Date.now() + STOP_TIMEOUT; isAlive(pid) && master.exitCode === null && Date.now() < until; ) await sleep(50)
      if (master.exitCode === null) master.kill('SIGKILL')
    },
  }
}

async function listening(pid: number, socket: string, log: string): Promise<void> {
  for (const until = Date.now() + START_TIMEOUT; Date.now() < until; await sleep(50)) {
    if (!isAlive(pid)) break
    if (existsSync(socket)) {
      // The processes that wait ready are being forked.
      await sleep(500)
      return
    }
  }
  throw new Error(`Dovecot did not start:\n${existsSync(log) ? readFileSync(log, 'utf8') : '(it logged nothing)'}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const at = server.address()
      server.close(() => (at && typeof at === 'object' ? resolve(at.port) : reject(new Error('no free port'))))
    })
  })
}
