/** The services: who serves what. */
import type { Authenticator } from '../auth/login.ts'
import { SASL_MECHANISMS } from '../auth/sasl/index.ts'
import type { Config, ServiceName } from '../config/schema.ts'
import { imapService } from '../imap/server.ts'
import type { Log } from '../log.ts'
import type { Serve } from '../net/connection.ts'
import type { SharedDns } from '../net/dns/client.ts'
import type { AcceptOptions } from '../net/listener.ts'
import type { Tls } from '../net/tls.ts'
import { pop3Service } from '../pop3/server.ts'
import { InFlight } from '../smtp/pace.ts'
import { publishedKeys } from '../smtp/published.ts'
import type { ReportInbox } from '../smtp/reports.ts'
import type { ScanRule } from '../smtp/scan/inspect.ts'
import { mxService, submissionService } from '../smtp/server.ts'
import type { Drivers } from '../store/drivers.ts'
import type { OpenStore } from '../store/pg/index.ts'
import { networkOf } from '../store/remote.ts'
import type { Acme } from './acme/index.ts'
import { inboundOf } from './inbound.ts'
import { KINDS } from './kinds.ts'
import type { AllLimits } from './limits.ts'
import { sends, srsOf } from './outbound.ts'
import { scanOf } from './scan.ts'
import { screenOf } from './screen.ts'
import { siteOf } from './site.ts'

export interface ServiceDeps {
  readonly config: Config
  readonly dataDir: string
  readonly opened: OpenStore
  /** Whether the disk of the database has room for mail. */
  readonly hasRoom: () => boolean
  readonly drivers: Drivers
  readonly authenticator: Authenticator
  readonly tls: Tls
  readonly limits: AllLimits
  readonly dns: SharedDns
  readonly acme: Acme
  /** Absent: nobody collects reports of other servers. */
  readonly reports?: ReportInbox | undefined
  /** Who looks at mail while it comes in. */
  readonly scanners: readonly ScanRule[]
  readonly log: Log
}

export function makeServices(deps: ServiceDeps): Record<ServiceName, Serve> {
  const { config, opened, hasRoom, drivers, authenticator, tls, limits, dns, scanners, reports, log } = deps
  const { store, accounts, leases } = opened
  const { presence, throttle } = drivers
  const { hostname } = config
  const disable = disabled(config)
  // By IMAP's names for them; of no other capability has another protocol anything to do without.
  const mechanisms = SASL_MECHANISMS.filter(({ name }) => !disable.includes(`AUTH=${name}`))
  const smtp = {
    store,
    accounts,
    throttle,
    log,
    hostname,
    primaryDomain: config.domains[0] ?? hostname,
    limits: { ...limits.smtp, ...(config.drain_seconds !== undefined && { drainMs: config.drain_seconds * 900 }) },
    inFlight: new InFlight(limits.smtp.inFlight),
    hasRoom,
    ...(sends(config) && { queue: opened.queue, srs: srsOf(accounts) }),
    // What strangers have us ask, kind by kind, keeps nothing waiting that our own mail needs.
    scan: scanOf(scanners, dns.apart(), limits.admission.shared),
    lifetime: config.outbound?.lifetime && config.outbound.lifetime / 1000,
  }
  const keysFor = publishedKeys({ keys: opened.signingKeys, dns, log })
  // A person's program greets first and waits for nobody: the greeting's delay is for other servers.
  const submission = {
    ...smtp,
    limits: { ...smtp.limits, greetingDelayMs: 0 },
    authenticator,
    presence,
    mechanisms,
    copies: store,
    keysFor,
  }
  const mailbox = { store, authenticator, presence, log, hostname }
  const pop3 = { ...mailbox, leases, accounts, throttle, mechanisms, limits: limits.pop3 }
  const inbound = inboundOf(config, { dns: dns.apart(), hidden: limits.admission.shared, keysFor })
  return {
    mx: mxService({
      ...smtp,
      tls: tls.service('mx'),
      inbound,
      screen: screenOf({ config, dns: dns.apart(), greylist: opened.greylist, exempt: limits.smtp.exempt, log: log.child({ service: 'mx' }) }),
      reports,
    }),
    submission: submissionService({ ...submission, tls: tls.service('submission'), service: 'submission' }),
    submissions: submissionService({ ...submission, tls: tls.service('submissions'), service: 'submissions' }),
    imaps: imapService({ ...mailbox, limits: limits.imap, disable, request: config.enable ?? [] }),
    pop3s: pop3Service({ ...pop3, service: 'pop3s' }),
    pop3: pop3Service({ ...pop3, service: 'pop3' }),
    https: siteOf(deps),
  }
}

const OF_SHARING = ['ACL', 'RIGHTS', 'LIST-MYRIGHTS']
const OF_SCRAM = ['AUTH=SCRAM-SHA-256-PLUS', 'AUTH=SCRAM-SHA-256']

/**
 * What nobody is offered. Without sharing there is nothing to say of rights. SCRAM only where every password can be used with it: mail programs that know it
 * prefer it, and do not try another one when it fails. client: mbsync.
 */
function disabled({ disable = [], sharing, mailboxes }: Config): readonly string[] {
  const everybodyHasScram = mailboxes.every(({ scram, app_passwords: more }) => scram !== undefined && more.every((one) => one.scram !== undefined))
  return [...disable, ...(sharing?.enabled === false ? OF_SHARING : []), ...(everybodyHasScram ? [] : OF_SCRAM)]
}

/** How one service takes its connections, wherever they come from. */
export function acceptingFor(name: ServiceName, serve: Serve, deps: Pick<ServiceDeps, 'config' | 'tls' | 'limits' | 'acme' | 'log'>): AcceptOptions {
  const { config, tls, limits, acme, log } = deps
  const { tls: mode, alpn, refusal } = KINDS[name]
  const { total } = limits.admission
  return {
    mode,
    tls: tls.service(name),
    ...(alpn && { alpn }),
    // RFC 8737 §3: authorities come to 443, and to no other port.
    ...(name === 'https' && { challenges: acme.challenges }),
    handshakeMs: limits.handshakeMs,
    // Nobody logs in on 25.
    limits: name === 'mx' ? { ...limits.admission, preAuth: total } : limits.admission,
    proxyFrom: config.proxy_protocol?.from ?? [],
    networkOf,
    serve,
    onRefused: (why, socket) => {
      const words = `Too many connections${why === 'total' || why === 'pre-auth' ? '' : ' from your address'}, try again later`
      if (refusal) socket.write(refusal(words))
    },
    log: log.child({ service: name }),
  }
}
