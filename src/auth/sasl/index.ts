/** The mechanisms that there are. What is announced is computed from this list. */
import { login } from './login.ts'
import type { SaslMechanism } from './mechanism.ts'
import { plain } from './plain.ts'

/** Best first. */
export const SASL_MECHANISMS: readonly SaslMechanism[] = [plain, login]

/** Mechanism names compare without case: RFC 4422 §3.1 has them in capitals, clients do not always. */
export const saslMechanism = (name: string): SaslMechanism | undefined => SASL_MECHANISMS.find((m) => m.name === name.toUpperCase())
