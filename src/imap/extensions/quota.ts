import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { deletedCounter } from '../status-items.ts'

/**
 * The one resource that is limited, in units of 1,024 octets; QUOTA itself is its commands' capability. What EXPUNGE would give back is counted in octets.
 * RFC 9208 §5.1, DELETED-STORAGE: §4.1.4. APPEND and COPY beyond the limit get NO [OVERQUOTA].
 */
export const quotaStorage = extension({
  capability: 'QUOTA=RES-STORAGE',
  rfc: 'RFC 9208',
  announce: LOGGED_IN,
  needs: ['QUOTA'],
  adds: { statusItems: new Map([['DELETED-STORAGE', deletedCounter((deleted) => deleted.bytes)]]) },
})
