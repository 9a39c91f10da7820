import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** \HasChildren or \HasNoChildren in every LIST and LSUB. RFC 3348; written in listing.ts. */
export const children = extension({ capability: 'CHILDREN', rfc: 'RFC 3348', announce: LOGGED_IN })
