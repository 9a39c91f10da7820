/** Looks at a message that comes from another server while it comes: who sent it, and whether its author's domain stands by it. */
import type { Log } from '../../log.ts'
import { authenticationResults, resultsPayload } from '../../mail/auth-results.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { type Inspection, VERDICT_MS } from '../policies/policy.ts'
import { Reply } from '../reply.ts'
import type { KeysFor } from '../signing.ts'
import type { Visit } from '../visit.ts'
import { votersOf } from '../vote.ts'
import { countFrom } from './author.ts'
import { decide, type InboundRules, isProven, mild } from './decision.ts'
import { type Findings, UNCHECKED } from './findings.ts'
import { resultsOf } from './results.ts'
import { sealing } from './seals.ts'
import type { Verification } from './verify.ts'

export interface InboundParts {
  readonly dns: Dns
  readonly rules: InboundRules
  /** Addresses of this host: what comes from there is not looked at. */
  readonly isOwn: (address: string) => boolean
  /** Addresses behind which others are: who it is cannot be told by them. */
  readonly isHidden?: (address: string) => boolean
  /** Keys that seal what is sent on; absent: nothing is sealed. */
  readonly keysFor?: KeysFor | undefined
  /** From the last octet on; VERDICT_MS if absent. */
  readonly verdictMs?: number
}

export interface AuthenticationOptions extends InboundParts {
  /** The authserv-id. */
  readonly hostname: string
  readonly log: Log
}

/** Throws Reply for a header that two readers may read in two ways. */
export async function authentication(block: Buffer, visit: Visit, o: AuthenticationOptions): Promise<Inspection> {
  if (block.includes(0)) throw new Reply(554, '5.6.0', 'NUL in the header')
  if (countFrom(block) > 1) throw new Reply(550, '5.7.1', 'The message must have one From line, it has several')
  const over = new AbortController()
  const { transaction, session, remote } = visit
  const isHidden = o.isHidden?.(remote) === true
  const envelope = { ip: isHidden ? undefined : remote, helo: session.hostNameAppearsAs || 'unknown', from: transaction.from }
  const { startVerifying } = await import('./verify.ts')
  const seals = o.keysFor && sealing(transaction.onward, { keysFor: o.keysFor, over: over.signal, log: o.log })
  const start = () => startVerifying(block, { envelope, dns: o.dns, hostname: o.hostname, over: over.signal, hashes: seals !== undefined })
  const verification = await guarded(start, o.log)
  let header = block.length
  return {
    write(chunk) {
      const skipped = Math.min(header, chunk.length)
      header -= skipped
      if (skipped < chunk.length) verification.body(chunk.subarray(skipped))
    },
    async finish() {
      const timer = setTimeout(() => over.abort(), o.verdictMs ?? VERDICT_MS)
      try {
        const { arc, results, junk, proven } = await conclude(verification, visit, o)
        const bodyHash = verification.bodyHash?.()
        const sealed = bodyHash === undefined ? undefined : await seals?.seal({ block, bodyHash, arc, results: resultsPayload(o.hostname, results) })
        return { lines: authenticationResults(o.hostname, results), junk, proven, seals: sealed }
      } finally {
        clearTimeout(timer)
      }
    },
    abort: () => over.abort(),
  }
}

/** What is made to break the check gets no other verdict by it than suspicion. */
export async function guarded(start: () => Promise<Verification>, log: Log): Promise<Verification> {
  const failed = (err: unknown): Findings => {
    log.error({ err }, 'a message could not be checked, and is suspicious')
    return UNCHECKED
  }
  try {
    const verification = await start()
    let whole = true
    return {
      body: (octets) => verification.body(octets),
      finish: () =>
        verification.finish().catch((err: unknown) => {
          whole = false
          return failed(err)
        }),
      bodyHash: () => (whole ? verification.bodyHash?.() : undefined),
    }
  } catch (err) {
    const findings = failed(err)
    return { body: () => undefined, finish: async () => findings }
  }
}

async function conclude(verification: Verification, { transaction, remote }: Visit, { rules, isHidden, log }: AuthenticationOptions) {
  const findings = await verification.finish()
  const { spf, dkim, arc, dmarc } = findings
  const seen = {
    message: transaction.id,
    spf: spf.result,
    dkim: dkim.map(({ result }) => result),
    arc: arc.result,
    dmarc: dmarc.result,
    from: dmarc.from,
  }
  const decision = decide(findings, votersOf(transaction), isHidden?.(remote) ? mild(rules) : rules)
  if (decision.junk.size > 0 || decision.override)
    log.info({ ...seen, override: decision.override, junk: decision.junk.size }, 'message is taken for junk, or would be')
  return { arc: arc.result, results: resultsOf(findings, decision, remote), junk: decision.junk, proven: isProven(findings, transaction.from) }
}
