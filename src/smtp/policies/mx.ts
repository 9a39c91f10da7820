/** Port 25: mail from anywhere for people here, and for nobody else. There is no network, address or name that may relay. */
import type { Log } from '../../log.ts'
import { withoutResultsOf } from '../../mail/auth-results.ts'
import { withoutScanResults } from '../../mail/scan-results.ts'
import { networkOf } from '../../store/remote.ts'
import { authentication, type InboundParts } from '../inbound/authentication.ts'
import type { Screen } from '../inbound/screen.ts'
import { NO_ROOM, Reply } from '../reply.ts'
import { type ScanParts, startScans } from '../scan/inspect.ts'
import type { Visit } from '../visit.ts'
import { sideBySide } from './inspections.ts'
import { acceptLocal } from './local.ts'
import { type Inspection, isExempt, type Policy, type PolicyDeps, perHour } from './policy.ts'

export interface MxParts {
  /** The authserv-id. */
  readonly hostname: string
  /** Absent: nobody is asked who he is. */
  readonly inbound?: InboundParts | undefined
  /** Absent: whoever comes is taken as he comes. */
  readonly screen?: Screen | undefined
  /** Absent: no scanner looks at the message. */
  readonly scan?: ScanParts | undefined
  readonly log: Log
}

export function mxPolicy(deps: PolicyDeps, { hostname, inbound, screen, scan, log }: MxParts): Policy {
  const { throttle, limits } = deps
  const here: PolicyDeps = screen ? { ...deps, welcome: (recipient, address, visit) => screen.welcome(recipient, address, visit) } : deps
  return {
    wantsLogin: false,
    spaceBeforePath: false,
    mailParameters: new Set(['SIZE', 'BODY', 'SMTPUTF8']),
    // A stranger is told nothing but by our reply: whatever else we sent him might go to somebody who never wrote.
    rcptParameters: new Set(),
    hasWishes: false,
    arrived: (visit) => screen?.arrived(visit),
    async sender(_address, visit) {
      if (deps.hasRoom?.() === false) throw new Reply(452, '4.3.1', NO_ROOM)
      if (isExempt(deps, visit)) return
      const { ok } = await throttle.take(`smtp:mx:${networkOf(visit.remote)}`, perHour(limits.messagesPerHour))
      if (!ok) throw new Reply(450, '4.7.1', 'Too many messages from your address, try again later')
    },
    async recipient(address, wish, visit) {
      await rationClient(visit, deps)
      const refusal = await screen?.listed(address, visit)
      if (refusal) throw ++visit.unknownRecipients > limits.unknownRecipients.max ? TOO_MANY : refusal
      if (!(await acceptLocal(address, wish, visit, here))) throw new Reply(550, '5.7.1', 'Relay access denied: that domain is not served here')
    },
    async header(_block, _facts, visit) {
      await screen?.checkNotice(visit)
      return ''
    },
    strip: (block) => withoutScanResults(withoutResultsOf(hostname, block)),
    // Of mail that a program of this host hands in no domain need know.
    async inspect({ block, added }, visit) {
      const all: Inspection[] = []
      if (inbound && !inbound.isOwn(visit.remote)) all.push(await authentication(block, visit, { ...inbound, hostname, log }))
      const listed = await screen?.inspect(visit)
      if (listed) all.push(listed)
      if (scan) all.push(...(await startScans(added, visit, { ...scan, hostname, throttle, log })))
      return sideBySide(all)
    },
  }
}

const TOO_MANY = new Reply(421, '4.7.0', 'Too many refused recipients', { closes: true })

/** Most messages have one recipient, and are counted as messages. */
async function rationClient(visit: Visit, deps: PolicyDeps): Promise<void> {
  const { asked } = visit.transaction
  if (asked < 2 || isExempt(deps, visit)) return
  const rate = perHour(deps.limits.clientRecipientsPerHour)
  const { ok } = await deps.throttle.take(`smtp:mx:recipients:${networkOf(visit.remote)}`, rate, asked === 2 ? 2 : 1)
  if (!ok) throw new Reply(450, '4.7.1', 'Too many recipients from your address, try again later')
}
