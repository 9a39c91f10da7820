/** What every SASL mechanism is to the protocols: base64 lines in, base64 lines out, the answer to a login in the end. RFC 4422. */
import type { LoginResult, Who } from '../attempt.ts'
import type { Authenticator } from '../login.ts'
import { readResponse } from './response.ts'

export { MAX_RESPONSE } from './response.ts'

export type SaslFailure =
  /** The client sent `*`. */
  | 'cancelled'
  /** Not base64, not UTF-8, or not what the mechanism says. */
  | 'malformed'
  /** It wants to act as somebody else. */
  | 'authorization'
  /** It was bound to another TLS channel than this one, or was told that there is no such binding here. */
  | 'channel-binding'

/** Ends an exchange, thrown by a mechanism. */
export class SaslFailed extends Error {
  readonly reason: SaslFailure
  constructor(reason: SaslFailure) {
    super(reason)
    this.name = 'SaslFailed'
    this.reason = reason
  }
}

export type SaslResult = LoginResult | { readonly kind: 'failed'; readonly reason: SaslFailure }

/** What names a TLS channel to both of its ends: RFC 5056. */
export interface ChannelBindings {
  /** undefined: not of this type. */
  data(type: string): Buffer | undefined
}

/** The connection that an exchange runs on. */
export interface SaslPeer extends Omit<Who, 'user'> {
  readonly authenticator: Authenticator
  /** Sends a challenge (base64) and reads the client's line, without its CRLF. Throws what ends the connection. */
  ask(challenge: string): Promise<string>
  /** Of this connection's TLS; undefined: none that a mechanism may rely on. */
  readonly bindings: ChannelBindings | undefined
  /** Whether this connection is offered a mechanism. */
  offers(name: string): boolean
}

/** One exchange, as its mechanism sees it. */
export class SaslExchange {
  readonly peer: SaslPeer
  #initial: string | undefined

  constructor(peer: SaslPeer, initial: string | undefined) {
    this.peer = peer
    this.#initial = initial
  }

  /** The client's first response: as it stood in the command, `=` for an empty one (RFC 4959 §3), or the answer to an empty challenge. */
  async first(): Promise<string> {
    const initial = this.initial()
    return initial ?? (await this.ask(''))
  }

  /** The one of the command, taken; undefined when there is none. Throws SaslFailed. */
  initial(): string | undefined {
    const initial = this.#initial
    this.#initial = undefined
    return initial === undefined ? undefined : textOf(initial === '=' ? '' : initial)
  }

  /** Throws SaslFailed, and what ends the connection. */
  async ask(challenge: string): Promise<string> {
    return textOf(await this.peer.ask(Buffer.from(challenge).toString('base64')))
  }

  who(user: string): Who {
    const { service, remote, signal } = this.peer
    return { user, service, remote, signal }
  }
}

function textOf(line: string): string {
  const response = readResponse(line)
  if ('failure' in response) throw new SaslFailed(response.failure)
  return response.text
}

export interface SaslMechanism {
  /** As it is announced: `AUTH=PLAIN`, `SASL PLAIN`. */
  readonly name: string
  readonly rfc: string
  /** Only where the TLS channel has a name. */
  readonly binds?: boolean
  /** Only where an issuer of tokens is configured. */
  readonly tokens?: boolean
  /** Throws SaslFailed, and what ends the connection. */
  run(exchange: SaslExchange): Promise<LoginResult>
}

/** The whole exchange. `initial`: the initial response as it stood in the command. Throws only what ends the connection. */
export async function authenticate(mechanism: SaslMechanism, initial: string | undefined, peer: SaslPeer): Promise<SaslResult> {
  try {
    return await mechanism.run(new SaslExchange(peer, initial))
  } catch (err) {
    if (err instanceof SaslFailed) return { kind: 'failed', reason: err.reason }
    throw err
  }
}

/** Acting for others is not offered; naming oneself is the same as naming nobody. Throws SaslFailed. */
export function mustBeOneself(authzid: string, user: string): void {
  if (authzid !== '' && authzid.toLowerCase() !== user.toLowerCase()) throw new SaslFailed('authorization')
}
