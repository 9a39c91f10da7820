/** A page of a result: `1:100` are the first hundred of it, `-1:-100` the last hundred. RFC 9394 §4 partial-range. */
import { Bad } from './reply.ts'
import type { ArgumentReader } from './wire/read.ts'

export interface Page {
  /** Counted from 1, and first ≤ last. */
  readonly first: number
  readonly last: number
  /** Counted from the end of the result. */
  readonly fromEnd: boolean
  /** As the client wrote it, whichever number came first: the response repeats the original range (RFC 9394 §3.1). */
  readonly written: string
}

const PAGE = /^(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})$/
const MAX_NUMBER = 2 ** 32 - 1

/** Throws Bad. */
export function readPage(r: ArgumentReader): Page {
  const written = r.atom()
  const match = PAGE.exec(written)
  const [, sign, a, sign2, b] = match ?? []
  const [one, other] = [Number(a), Number(b)]
  if (!match || sign !== sign2 || one > MAX_NUMBER || other > MAX_NUMBER) throw new Bad('Invalid partial range')
  return { first: Math.min(one, other), last: Math.max(one, other), fromEnd: sign === '-', written }
}

/** Which of `count` results are on the page: from … to (exclusive), counted from 0. */
export function pageOf({ first, last, fromEnd }: Page, count: number): { readonly from: number; readonly to: number } {
  const from = fromEnd ? count - last : first - 1
  const to = fromEnd ? count - first + 1 : last
  return { from: Math.min(Math.max(from, 0), count), to: Math.min(Math.max(to, 0), count) }
}
