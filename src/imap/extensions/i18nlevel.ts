import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** SEARCH, SORT and THREAD compare texts by i;unicode-casemap. RFC 5255 §4.2; mail/canonical.ts, mail/casemap.ts. */
export const i18nLevel1 = extension({ capability: 'I18NLEVEL=1', rfc: 'RFC 5255', announce: LOGGED_IN })
