/** Search keys that look for object identifiers of messages. RFC 8474 §5.4. */
import { ContentIds, readEmailId } from '../fetch/email-id.ts'
import { Bad } from '../reply.ts'
import { ALL } from './index-keys.ts'
import { NO, not, onIndex, type SearchKey, YES } from './key.ts'
import type { KeyReader } from './parse.ts'

const OBJECT_ID = /^[A-Za-z0-9_-]{1,255}$/
const NOTHING = not(ALL)

/** objectid (RFC 8474 §7). */
function objectId(r: KeyReader): string {
  const id = r.arguments.atom()
  if (!OBJECT_ID.test(id)) throw new Bad('Invalid object identifier')
  return id
}

/** An identifier that is not ours is no message's. */
export function hasEmailId(r: KeyReader): SearchKey {
  const wanted = readEmailId(objectId(r))
  if (!wanted) return NOTHING
  const { high, low } = wanted
  return onIndex(() => {
    const ids = new ContentIds()
    return ({ segment, from, to }, out) => {
      ids.of(segment)
      for (let row = from; row < to; row++) out[row - from] = ids.low(row) === low && ids.high(row) === high ? YES : NO
    }
  })
}

/** No message has a THREADID. */
export function hasThreadId(r: KeyReader): SearchKey {
  objectId(r)
  return NOTHING
}
