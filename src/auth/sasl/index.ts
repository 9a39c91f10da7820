/** The mechanisms that there are. What is announced is computed from this list. */
import { login } from './login.ts'
import type { ChannelBindings, SaslMechanism } from './mechanism.ts'
import { plain } from './plain.ts'
import { scramSha256, scramSha256Plus } from './scram.ts'

/** Best first. */
export const SASL_MECHANISMS: readonly SaslMechanism[] = [scramSha256Plus, scramSha256, plain, login]

/** Mechanism names compare without case: RFC 4422 §3.1 has them in capitals, clients do not always. */
export const saslMechanism = (name: string): SaslMechanism | undefined => SASL_MECHANISMS.find((m) => m.name === name.toUpperCase())

const canBe = ({ binds }: SaslMechanism, bindings: ChannelBindings | undefined): boolean => !binds || bindings !== undefined

/** Those of them that a connection can be offered. */
export const mechanismsFor = (bindings: ChannelBindings | undefined, of = SASL_MECHANISMS): readonly SaslMechanism[] =>
  of.filter((m) => canBe(m, bindings))

/** Those that it is not, as IMAP's capabilities. */
export const mechanismsMissing = (bindings: ChannelBindings | undefined): readonly string[] =>
  SASL_MECHANISMS.filter((m) => !canBe(m, bindings)).map(({ name }) => `AUTH=${name}`)
