/** What every SASL mechanism is to the protocols: base64 lines in, base64 lines out, credentials in the end. RFC 4422. */

/** Of one response in base64, as it came on the line. */
export const MAX_RESPONSE = 8 * 1024

export type SaslFailure =
  /** The client sent `*`. */
  | 'cancelled'
  /** Not base64, not UTF-8, or not what the mechanism says. */
  | 'malformed'
  /** It wants to act as somebody else. */
  | 'authorization'

export type SaslStep =
  /** Send this line (base64) after `+ ` or `334 `, and give the client's line to `next`. */
  | { readonly kind: 'challenge'; readonly line: string }
  | { readonly kind: 'credentials'; readonly user: string; readonly password: string }
  | { readonly kind: 'failed'; readonly reason: SaslFailure }

/** One exchange. It keeps no more than it needs for its next step. */
export interface SaslExchange {
  /** A line of the client, without its CRLF. Longer than MAX_RESPONSE is malformed. */
  next(line: string): SaslStep
}

export interface SaslMechanism {
  /** As it is announced: `AUTH=PLAIN`, `SASL PLAIN`. */
  readonly name: string
  /** `initial`: the initial response as it stood in the command, `=` for an empty one (RFC 4959 §3); undefined when there was none. */
  begin(initial: string | undefined): { readonly step: SaslStep; readonly exchange: SaslExchange }
}

export const failed = (reason: SaslFailure): SaslStep => ({ kind: 'failed', reason })
