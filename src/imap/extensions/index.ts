/** Every capability that is not one command's. */
import { SASL_MECHANISMS } from '../../auth/sasl/index.ts'
import { type Extension, extension } from '../extension.ts'
import { appendlimit } from './appendlimit.ts'
import { binary } from './binary.ts'
import { catenate } from './catenate.ts'
import { children } from './children.ts'
import { condstore } from './condstore.ts'
import { contextSearch, contextSort } from './context.ts'
import { createSpecialUse } from './create-special-use.ts'
import { esearch } from './esearch.ts'
import { fuzzySearch } from './fuzzy.ts'
import { i18nLevel1 } from './i18nlevel.ts'
import { imap4rev1 } from './imap4rev1.ts'
import { imap4rev2 } from './imap4rev2.ts'
import { inProgress } from './inprogress.ts'
import { listExtended } from './list-extended.ts'
import { listMetadata } from './list-metadata.ts'
import { listMyRights } from './list-myrights.ts'
import { listStatus } from './list-status.ts'
import { literalMinus, literalPlus } from './literal.ts'
import { multiappend } from './multiappend.ts'
import { objectid } from './objectid.ts'
import { partial } from './partial.ts'
import { preview } from './preview.ts'
import { qresync } from './qresync.ts'
import { quotaStorage } from './quota.ts'
import { rights } from './rights.ts'
import { savedate } from './savedate.ts'
import { searchres } from './searchres.ts'
import { esort, sort, sortDisplay } from './sort.ts'
import { specialUse } from './special-use.ts'
import { statusSize } from './status-size.ts'
import { threadOrderedSubject, threadReferences } from './thread.ts'
import { uidonly } from './uidonly.ts'
import { utf8Accept } from './utf8.ts'
import { within } from './within.ts'

const mechanisms = SASL_MECHANISMS.map(({ name, rfc }) => extension({ capability: `AUTH=${name}`, rfc, announce: ['anonymous'] }))

export const EXTENSIONS: readonly Extension[] = [
  imap4rev1,
  imap4rev2,
  literalMinus,
  literalPlus,
  ...mechanisms,
  specialUse,
  children,
  savedate,
  objectid,
  partial,
  listExtended,
  condstore,
  listStatus,
  listMyRights,
  rights,
  statusSize,
  utf8Accept,
  uidonly,
  esearch,
  inProgress,
  searchres,
  within,
  createSpecialUse,
  appendlimit,
  quotaStorage,
  qresync,
  sort,
  sortDisplay,
  esort,
  preview,
  listMetadata,
  threadOrderedSubject,
  threadReferences,
  contextSearch,
  contextSort,
  fuzzySearch,
  i18nLevel1,
  binary,
  multiappend,
  catenate,
]
