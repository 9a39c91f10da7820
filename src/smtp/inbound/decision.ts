/** What becomes of a message after what was found out, for each of those that it is for. RFC 9989. */
import { domainOf } from '../../mail/address.ts'
import type { AccountId } from '../../store/types.ts'
import { Reply } from '../reply.ts'
import { type Action, type Voters, vote } from '../vote.ts'
import type { Findings } from './findings.ts'

export interface InboundRules {
  /** By the recipient's domain. reject: as the author's domain asks. junk: what it wants rejected is junk. mark: everybody gets everything. */
  readonly dmarc: (domain: string) => Action
  /** Domains whose ARC seal is believed. */
  readonly trustedSealers: ReadonlySet<string>
}

/** Where half of the evidence is missing. */
export const mild = (rules: InboundRules): InboundRules => ({
  ...rules,
  dmarc: (domain) => (rules.dmarc(domain) === 'mark' ? 'mark' : 'junk'),
})

export interface Decision {
  /** Those for whom it is junk. */
  readonly junk: ReadonlySet<AccountId>
  /** Why DMARC's word does not count. */
  readonly override?: string | undefined
}

const NOBODY: ReadonlySet<AccountId> = new Set()

/** Throws Reply to refuse. What the DNS could not say is no reason for anything. */
export function decide(findings: Findings, voters: Voters, { dmarc: actionOf, trustedSealers }: InboundRules): Decision {
  const { dmarc, arc } = findings
  const suspicious = dmarc.result === 'permerror' || (dmarc.result === 'fail' && dmarc.policy !== 'none')
  if (!suspicious) return { junk: NOBODY }
  const sealer = dmarc.from === undefined ? undefined : vouchedFor(dmarc.from, findings, trustedSealers)
  if (sealer !== undefined) return { junk: NOBODY, override: `arc of ${sealer}` }
  // Who may be trusted says that it passed, but whether it is him cannot be told now.
  if (arc.result === 'temperror' && arc.sets[0] && trustedSealers.has(arc.sets[0].sealer)) return { junk: NOBODY, override: 'arc cannot be checked' }
  // Nobody here: a notice for one who wrote through here.
  const { refused, junk } = vote(voters, actionOf, 'mark')
  if (refused && dmarc.policy === 'reject' && dmarc.result === 'fail') throw refusal(`${dmarc.from}`)
  return { junk }
}

/** Whether the domain of a reverse-path stands by the message, so that its sender may be told what becomes of it: anybody else may never have written. RFC 3834 §2, RFC 5321 §6.2. */
export function isProven({ spf, dkim }: Findings, from: string): boolean {
  if (spf.result === 'pass' && spf.identity === 'smtp.mailfrom') return true
  const domain = domainOf(from)
  return dkim.some((one) => one.result === 'pass' && (domain === one.domain || domain.endsWith(`.${one.domain}`)))
}

/** RFC 7372 §3.4 for the code. */
const refusal = (from: string): Reply =>
  new Reply(550, '5.7.26', `Mail from ${from} has to pass SPF or DKIM for that domain, and this passes neither; its DMARC policy is p=reject`)

/** The nearest of the trusted sealers who saw it pass; all who came after it have to be trusted too. RFC 8617 §7.2.1. */
function vouchedFor(from: string, { arc: { result, sets } }: Findings, trusted: ReadonlySet<string>): string | undefined {
  if (result !== 'pass') return undefined
  for (const { sealer, dmarc } of sets) {
    if (!trusted.has(sealer)) return undefined
    if (dmarc?.result === 'pass' && dmarc.from === from) return sealer
  }
  return undefined
}
