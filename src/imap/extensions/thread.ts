import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { orderedSubject } from '../search/thread/ordered-subject.ts'
import { byReferences } from '../search/thread/references.ts'

/** The algorithms of THREAD. RFC 5256 §3. */
export const threadOrderedSubject = extension({
  capability: 'THREAD=ORDEREDSUBJECT',
  rfc: 'RFC 5256',
  announce: LOGGED_IN,
  adds: { threadAlgorithms: new Map([['ORDEREDSUBJECT', orderedSubject]]) },
})
export const threadReferences = extension({
  capability: 'THREAD=REFERENCES',
  rfc: 'RFC 5256',
  announce: LOGGED_IN,
  adds: { threadAlgorithms: new Map([['REFERENCES', byReferences]]) },
})
