import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** `{n+}`: literals that are not waited for. Nobody sends more than 4,096 octets of them before it has said who it is. RFC 7888; read in receive.ts. */
export const literalMinus = extension({ capability: 'LITERAL-', rfc: 'RFC 7888', announce: ['anonymous'] })
export const literalPlus = extension({ capability: 'LITERAL+', rfc: 'RFC 7888', announce: LOGGED_IN })
