/** The mechanisms that there are. What is announced is computed from this list. */
import type { Authenticator } from '../login.ts'
import { oauthBearer, xoauth2 } from './bearer.ts'
import { login } from './login.ts'
import type { ChannelBindings, SaslMechanism } from './mechanism.ts'
import { plain } from './plain.ts'
import { scramSha256, scramSha256Plus } from './scram.ts'

/** Best first. */
export const SASL_MECHANISMS: readonly SaslMechanism[] = [scramSha256Plus, scramSha256, oauthBearer, xoauth2, plain, login]

/** Mechanism names compare without case: RFC 4422 §3.1 has them in capitals, clients do not always. */
export const saslMechanism = (name: string): SaslMechanism | undefined => SASL_MECHANISMS.find((m) => m.name === name.toUpperCase())

/** What decides which mechanisms a connection can be offered. */
export interface Grounds {
  readonly bindings: ChannelBindings | undefined
  readonly authenticator: Pick<Authenticator, 'tokens'>
}

const canBe = ({ binds, tokens }: SaslMechanism, { bindings, authenticator }: Grounds): boolean =>
  (!binds || bindings !== undefined) && (!tokens || authenticator.tokens !== undefined)

/** Those of them that a connection can be offered. */
export const mechanismsFor = (grounds: Grounds, of = SASL_MECHANISMS): readonly SaslMechanism[] => of.filter((m) => canBe(m, grounds))

/** Those that it cannot, as IMAP's capabilities. */
export const mechanismsMissing = (grounds: Grounds): readonly string[] =>
  SASL_MECHANISMS.filter((m) => !canBe(m, grounds)).map(({ name }) => `AUTH=${name}`)
