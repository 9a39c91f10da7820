/**
 * Room on the disk of our own Postgres. A database whose disk is full can neither take mail nor delete any, so mail is refused before: what is left is for expunging,
 * folding and the log. A Postgres of somebody else says itself when it is full (53100).
 */
import { statfsSync } from 'node:fs'
import type { Log } from '../log.ts'
import { Unavailable } from '../store/errors.ts'
import type { MailStore } from '../store/mailstore.ts'

/** Mail is refused below this share of the disk … */
export const LEAST_SHARE = 0.1
/** … and at most this, in octets, is held back. */
export const LEAST_ROOM = 1024 ** 3
/** How long an answer of the file system counts. Milliseconds. */
const FRESH = 1_000

/** true: there is room on the disk that holds `folder`. One that cannot be asked counts as roomy. */
export function watchRoom(folder: string, log: Log): () => boolean {
  let roomy = true
  let asked = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - asked < FRESH) return roomy
    asked = performance.now()
    const { free, least } = roomOf(folder)
    if (roomy !== free >= least) {
      const seen = { folder, free, least }
      if (roomy) log.error(seen, 'the disk of the database is nearly full: no mail is taken until there is room')
      else log.info(seen, 'there is room on the disk of the database again')
    }
    roomy = free >= least
    return roomy
  }
}

/** Octets that are free for others than root, and how many of them must be; none and none: it cannot be told. */
export function roomOf(folder: string): { free: number; least: number } {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder)
    return { free: bavail * bsize, least: Math.min(LEAST_ROOM, blocks * bsize * LEAST_SHARE) }
  } catch {
    return { free: 0, least: 0 }
  }
}

/** The store, except that it stages no new message while there is no room. */
export const whileRoom = (store: MailStore, hasRoom: () => boolean): MailStore => ({
  ...store,
  stage(a, maxSize) {
    if (!hasRoom())
      throw new Unavailable('no room on the disk of the database', { cause: Object.assign(new Error('too little room'), { code: 'ENOSPC' }) })
    return store.stage(a, maxSize)
  },
})
