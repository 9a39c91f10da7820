/** Exim with a configuration of its own. Debian lets only one mail server be installed: its package is unpacked only, into EXIM (.ci/run). It demands DANE of whom it sends to, and refuses long lines as its own default configuration does. */
import { appendFileSync, chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, succeed } from '../../support/programs.ts'
import { type Mta, type MtaOptions, mailIn } from './mta.ts'
import { startProgram } from './programs.ts'

/** Where `exim4-daemon-light` is unpacked. */
const FOLDER = '/opt/postern-test-exim'
const EXIM = `${FOLDER}/usr/sbin/exim4`
export const eximMissing: string | false = !existsSync(EXIM) && `exim4-daemon-light is not unpacked in ${FOLDER}`
/** The user that Debian built it for, which only the package's own installation would make. */
const USER = 'Debian-exim'
const ID = 64_321

/** In this process's own view of the file system only. */
async function makeUser(dir: string): Promise<void> {
  if ((await run('id', [USER])).code === 0) return
  for (const [file, line] of [
    ['passwd', `${USER}:x:${ID}:${ID}::/:/usr/sbin/nologin`],
    ['group', `${USER}:x:${ID}:`],
  ] as const) {
    const own = join(dir, file)
    copyFileSync(`/etc/${file}`, own)
    appendFileSync(own, `${line}\n`)
    chmodSync(own, 0o644)
    await succeed('mount', ['--bind', own, `/etc/${file}`])
  }
}

export async function startExim({ dir, hostname, domain, address, pem, user }: MtaOptions): Promise<Mta> {
  const at = (name: string): string => join(dir, name)
  for (const name of ['', 'spool', 'log', 'mail']) mkdirSync(at(name), { recursive: true, mode: 0o755 })
  await makeUser(dir)
  writeFileSync(at('pem'), `${pem.key}${pem.cert}`, { mode: 0o640 })
  writeFileSync(
    at('conf'),
    `primary_hostname = ${hostname}
domainlist here = ${domain}
local_interfaces = ${address}
daemon_smtp_ports = 25
spool_directory = ${at('spool')}
log_file_path = ${at('log/%slog')}
pid_file_path = ${at('pid')}
log_selector = +tls_peerdn +tls_certificate_verified +dnssec +received_recipients
never_users =
exim_path = ${EXIM}
queue_only = true
tls_advertise_hosts = *
tls_certificate = ${at('pem')}
dns_dnssec_ok = 1
acl_smtp_rcpt = rcpt
acl_smtp_dkim = dkim
acl_smtp_data = data
accept_8bitmime = true
keep_environment =

begin acl
rcpt:
  deny !encrypted = *
  accept domains = +here
  accept hosts = ${address}
  deny
dkim:
  warn condition = \${if eq{$dkim_verify_status}{pass}}
       set acl_m_pass = $acl_m_pass $dkim_algo
  accept
data:
  deny message = maximum allowed line length is 998 octets, got $max_received_linelength
       condition = \${if > {$max_received_linelength}{998}}
  warn add_header = X-Passed:$acl_m_pass
  accept

begin routers
here:
  driver = accept
  domains = +here
  transport = maildir
away:
  driver = dnslookup
  transport = remote
  dnssec_require_domains = *
  no_more

begin transports
maildir:
  driver = appendfile
  directory = ${at(`mail/${user}`)}
  maildir_format
  user = ${USER}
  create_directory
remote:
  driver = smtp
  interface = ${address}
  hosts_require_dane = *
  dnssec_require_domains = *

begin retry
* * F,1h,2s
`,
    { mode: 0o644 },
  )
  await succeed('chown', ['-R', `${USER}:${USER}`, at('spool'), at('log'), at('mail'), at('pem')])
  // What is taken is sent by the next run over the queue: those are root's, and Exim heeds -C of nobody else.
  const daemon = await startProgram(EXIM, { args: ['-C', at('conf'), '-bdf', '-q1s'], log: at('out'), at: { host: address, port: 25 } })
  return { log: at('log/mainlog'), mail: () => mailIn(at(`mail/${user}/new`)), close: () => daemon.close() }
}
