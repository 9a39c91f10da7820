/** Scanners look at a message while it comes in; what they want is done as the house rules have it. */
import { createHash } from 'node:crypto'
import type { Log } from '../../log.ts'
import { scanResult } from '../../mail/scan-results.ts'
import type { Dns } from '../../net/dns/dns.ts'
import type { Throttle } from '../../store/throttle.ts'
import type { AccountId } from '../../store/types.ts'
import { type Inspection, VERDICT_MS } from '../policies/policy.ts'
import { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'
import { type Action, vote, votersOf } from '../vote.ts'
import type { Breaker } from './breaker.ts'
import { clientNameOf } from './client-name.ts'
import type { ScanEnvelope, Scanner, Verdict } from './scanner.ts'
import { type Patience, WatchedScan } from './watched.ts'

export interface ScanRule {
  readonly scanner: Scanner
  /** Of this scanner, the same one for all services. */
  readonly breaker: Breaker
  /** Of what it wants rejected, by the recipient's domain; undefined: where nobody here gets it. */
  readonly action: (domain: string | undefined) => Action
  /** Whether a message that it says nothing about is taken. */
  readonly onFailure: 'accept' | 'defer'
  /** Whether it also looks at what people here send. */
  readonly submission: boolean
}

export interface ScanParts extends Patience {
  readonly rules: readonly ScanRule[]
  /** For names of clients; absent: they have none. */
  readonly dns?: Dns
  /** Addresses behind which others are: who it is cannot be told by them. */
  readonly isHidden?: (address: string) => boolean
  /** From the last octet on; VERDICT_MS if absent. */
  readonly verdictMs?: number
}

export interface ScanOptions extends ScanParts {
  readonly hostname: string
  readonly throttle: Pick<Throttle, 'take'>
  readonly log: Log
}

/** One for each scanner that looks at this message. `added`: lines of ours that are part of it. Never rejects. */
export async function startScans(added: string, visit: Visit, o: ScanOptions): Promise<Inspection[]> {
  const rules = o.rules.filter(({ submission }) => submission || !visit.user)
  if (rules.length === 0) return []
  const asked = new Set<ScanRule>()
  await Promise.all(rules.map(async (rule) => void ((await rule.breaker.admits(o)) && asked.add(rule))))
  const isUnknown = visit.user === undefined && o.isHidden?.(visit.remote) !== true
  const asksName = o.dns && isUnknown && [...asked].some(({ scanner }) => scanner.wantsName)
  const envelope = envelopeOf(visit, o, asksName ? await clientNameOf(visit, o.dns) : undefined)
  return rules.map((rule) => (asked.has(rule) ? inspection(rule, { added, visit, envelope, o }) : passedOver(rule, visit)))
}

function envelopeOf(
  { transaction, session, user, remote }: Visit,
  { hostname, isHidden }: ScanOptions,
  clientName: string | undefined,
): ScanEnvelope {
  return {
    id: transaction.id,
    hostname,
    from: transaction.from,
    recipients: [...transaction.accepted],
    helo: session.hostNameAppearsAs || 'unknown',
    ip: isHidden?.(remote) ? undefined : remote,
    clientName,
    user: user?.address,
  }
}

interface Looked {
  readonly added: string
  readonly visit: Visit
  readonly envelope: ScanEnvelope
  readonly o: ScanOptions
}

function inspection(rule: ScanRule, { added, visit, envelope, o }: Looked): Inspection {
  const { announced } = visit.transaction
  const began = performance.now()
  const scan = new WatchedScan(rule.scanner, envelope, { ...o, ...(announced !== undefined && { announced }) })
  let before = added === '' ? undefined : scan.write(Buffer.from(added))
  return {
    async write(chunk) {
      await before
      before = undefined
      await scan.write(chunk)
    },
    async finish() {
      const outcome = await scan.finish(o.verdictMs ?? VERDICT_MS)
      rule.breaker.heard(outcome, began, o)
      if (outcome.kind === 'aborted') return { lines: '' }
      const seen = { message: visit.transaction.id, scanner: rule.scanner.name }
      if (outcome.kind === 'failed') {
        o.log.warn({ ...seen, why: outcome.why }, 'message not scanned')
        return unscanned(rule, visit)
      }
      const shown = outcome.kind === 'verdict' ? outcome.verdict.shown : [outcome.kind]
      const lines = linesOf(rule, visit, shown)
      if (outcome.kind !== 'verdict') return { lines }
      if (outcome.verdict.wanted !== 'nothing') o.log.info({ ...seen, shown }, 'a scanner found something')
      return { lines, junk: await junkBy(outcome.verdict, rule, visit, o) }
    },
    abort: () => scan.abort(),
  }
}

const linesOf = ({ scanner }: ScanRule, { user }: Visit, shown: readonly string[]): string => (user ? '' : scanResult([scanner.name, ...shown]))

/** Throws Reply where such a message is not taken. */
function unscanned(rule: ScanRule, visit: Visit): { lines: string } {
  if (rule.onFailure === 'defer') throw new Reply(451, '4.3.0', 'The message cannot be checked now, try again later')
  return { lines: linesOf(rule, visit, ['failed']) }
}

const passedOver = (rule: ScanRule, visit: Visit): Inspection => ({
  write: () => undefined,
  finish: async () => unscanned(rule, visit),
  abort: () => undefined,
})

const NOBODY: ReadonlySet<AccountId> = new Set()

/** For whom it is junk. Throws Reply to refuse. */
async function junkBy({ wanted, reason, harmful }: Verdict, { action }: ScanRule, visit: Visit, { throttle }: ScanOptions) {
  const voters = votersOf(visit.transaction)
  switch (wanted) {
    case 'nothing':
      return NOBODY
    case 'later':
      throw new Reply(451, '4.7.1', reason)
    case 'greylist':
      // Who logged in is no stranger.
      if (!visit.user && !voters.contactsOnly && (await isTooSoon(visit, throttle))) throw new Reply(451, '4.7.1', reason)
      return NOBODY
    case 'junk':
      return new Set(voters.readers.map(({ access }) => access.account))
    case 'reject': {
      const { refused, junk } = vote(voters, action, action(undefined), harmful)
      // What people here send is theirs to mend, whoever gets it.
      if (visit.user || refused) throw new Reply(550, '5.7.1', reason)
      return junk
    }
  }
}

/** A stranger comes back after a minute, within a day. */
const REMEMBERED = { burst: 1, perSecond: 1 / 86_400 }
const SOON = { burst: 1, perSecond: 1 / 60 }

/** rspamd says "greylist" of the same message for ever, where its own module for that is off: here it is refused once. */
async function isTooSoon({ transaction: { from, accepted } }: Visit, throttle: Pick<Throttle, 'take'>): Promise<boolean> {
  const who = createHash('sha256')
    .update([from, ...accepted].join('\n'))
    .digest('base64url')
  const [unknown, waited] = [await throttle.take(`smtp:grey:${who}`, REMEMBERED), await throttle.take(`smtp:grey:soon:${who}`, SOON)]
  return unknown.ok || !waited.ok
}
