/** Postfix with a configuration of its own: Debian package `postfix`. It takes mail of one domain into Maildirs, and asks DANE of whom it sends to. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from '../../support/programs.ts'
import { type Mta, type MtaOptions, mailIn } from './mta.ts'
import { startProgram } from './programs.ts'

const SERVICES = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

export interface Postfix extends Mta {
  /** A setting of main.cf from now on. */
  set(name: string, value: string): Promise<void>
}

export async function startPostfix({
  dir,
  hostname,
  domain,
  address,
  pem,
  user,
  milter,
}: MtaOptions & { readonly milter: string }): Promise<Postfix> {
  const at = (name: string): string => join(dir, name)
  for (const name of ['', 'queue', 'data', 'mail']) mkdirSync(at(name), { recursive: true, mode: 0o755 })
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number((await succeed('id', [flag, 'postfix'])).out)))
  for (const name of ['data', 'mail']) chownSync(at(name), uid!, gid!)
  chmodSync(dir, 0o755)
  writeFileSync(at('pem'), `${pem.key}${pem.cert}`, { mode: 0o600 })
  writeFileSync(
    at('main.cf'),
    `compatibility_level = 3.6
queue_directory = ${at('queue')}
data_directory = ${at('data')}
maillog_file = ${at('log')}
maillog_file_prefixes = ${dir}
myhostname = ${hostname}
mydestination =
inet_interfaces = ${address}
smtp_bind_address = ${address}
mynetworks = ${address}/32
alias_maps =
virtual_mailbox_domains = ${domain}
virtual_mailbox_base = ${at('mail')}
virtual_mailbox_maps = inline:{ ${user}@${domain}=${user}/ }
virtual_minimum_uid = 1
virtual_uid_maps = static:${uid}
virtual_gid_maps = static:${gid}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = ${at('pem')}
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_milters = ${milter}
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane-only
smtp_tls_loglevel = 1
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
`,
  )
  writeFileSync(at('master.cf'), `${address}:smtp inet n - n - - smtpd\n${SERVICES}`)
  await succeed('postfix', ['-c', dir, 'check'])
  const master = await startProgram('/usr/lib/postfix/sbin/master', { args: ['-c', dir, '-d'], log: at('out'), at: { host: address, port: 25 } })
  return {
    log: at('log'),
    mail: () => mailIn(at(`mail/${user}/new`)),
    async set(name, value) {
      await succeed('postconf', ['-c', dir, `${name}=${value}`])
      await succeed('postfix', ['-c', dir, 'reload'])
    },
    close: () => master.close(),
  }
}
