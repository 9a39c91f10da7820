/** What an authority answers, or does not, in words for people. */

/** The CA's own words are shown at most so long. */
const MAX_DETAIL = 300

/** An error that the authority told (RFC 8555 §6.7, RFC 7807). */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  /** Without `urn:ietf:params:acme:error:`; '' where it says none. */
  readonly type: string
  /** Milliseconds since 1970, before which it is not to be asked again. */
  readonly retryAt: number | undefined
  /** Names that the error is about: what it says of each (RFC 8555 §6.7.1). */
  readonly names: ReadonlyMap<string, string>

  constructor(status: number, { type = '', detail = '', names = new Map<string, string>(), retryAt }: ProblemParts) {
    super(`the authority answers ${status}${type === '' ? '' : ` ${type}`}${detail === '' ? '' : `: ${detail}`}`)
    this.status = status
    this.type = type
    this.names = names
    this.retryAt = retryAt
  }
}

interface ProblemParts {
  readonly type?: string
  readonly detail?: string
  readonly names?: ReadonlyMap<string, string>
  readonly retryAt?: number | undefined
}

/** It does not answer, or what it answers is not ACME. */
export class AuthorityTrouble extends Error {
  override readonly name = 'AuthorityTrouble'
}

const URN = 'urn:ietf:params:acme:error:'

export function problemOf(status: number, body: unknown, retryAt?: number): Problem {
  const { type, detail, subproblems } = fieldsOf(body)
  const names = new Map<string, string>()
  if (Array.isArray(subproblems))
    for (const one of subproblems) {
      const { identifier, detail: why, type: kind } = fieldsOf(one)
      const { value } = fieldsOf(identifier)
      if (typeof value === 'string') names.set(plain(value), wordsOf(kind, why))
    }
  return new Problem(status, { type: kindOf(type), detail: plain(detail), names, retryAt })
}

/** An error as it stands in an authorization or order: `type: detail`. */
export function wordsOf(type: unknown, detail: unknown): string {
  return [kindOf(type), plain(detail)].filter(Boolean).join(': ') || 'it does not say why'
}

const kindOf = (type: unknown): string => {
  const kind = plain(type)
  return kind.startsWith(URN) ? kind.slice(URN.length) : ''
}

/** What strangers wrote is for a log and a terminal. */
export const plain = (text: unknown): string => (typeof text === 'string' ? text.replace(/\p{C}+/gu, ' ').slice(0, MAX_DETAIL) : '')

export const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
