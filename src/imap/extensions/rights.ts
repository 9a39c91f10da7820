import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** Which rights there are beside those of RFC 2086. RFC 4314 §5.1.1. */
export const rights = extension({ capability: 'RIGHTS', rfc: 'RFC 4314 §5.1.1', announce: LOGGED_IN, shown: () => 'RIGHTS=kxte' })
