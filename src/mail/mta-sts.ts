/** What a domain says of TLS to its own mail hosts: the policy's text, and the id by which others see that it changed. RFC 8461 §3.1, §3.2. */
import { createHash } from 'node:crypto'

export interface OwnStsPolicy {
  readonly mode: 'none' | 'testing' | 'enforce'
  /** The hosts of the domain's MX records. */
  readonly mx: readonly string[]
  /** Seconds. A week, where nothing is said. */
  readonly maxAge?: number
}

const WEEK = 7 * 24 * 60 * 60

/** What `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` says, line by line, in the order in which it is written. */
export const stsPolicyLines = ({ mode, mx, maxAge = WEEK }: OwnStsPolicy): string[] => [
  'version: STSv1',
  `mode: ${mode}`,
  ...mx.map((host) => `mx: ${host}`),
  `max_age: ${maxAge}`,
]

/** The same as a text/plain. */
export const stsPolicyText = (policy: OwnStsPolicy): string =>
  stsPolicyLines(policy)
    .map((line) => `${line}\r\n`)
    .join('')

/** For the TXT record: another one with every other text, and always the same with the same. */
export const stsPolicyId = (policy: OwnStsPolicy): string => createHash('sha256').update(stsPolicyLines(policy).join('\n')).digest('hex').slice(0, 20)

/** What the TXT record at `_mta-sts.DOMAIN` says. */
export const stsRecord = (policy: OwnStsPolicy): string => `v=STSv1; id=${stsPolicyId(policy)}`
