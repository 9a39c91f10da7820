/** How long after its OK a change is told to the other sessions that idle on the same mailbox, here and on the other host. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Seat } from './seat.ts'

export interface Place {
  readonly seat: Seat
  readonly host: string
}

export interface Notices {
  readonly sameHost: Quantiles
  readonly otherHost: Quantiles
}

/** Milliseconds. */
export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

const WITHIN = 5_000

/** `groups`: the sessions of one mailbox each. The first of a group makes the changes, one after the other, the rest is in IDLE. */
export async function measureNotices(groups: readonly (readonly Place[])[], changes: number): Promise<Notices> {
  const same: number[] = []
  const other: number[] = []
  for (const group of groups) {
    const [writer, ...listeners] = group
    const stop = new AbortController()
    const listening = listeners.map(({ seat }) => seat.listen(stop.signal))
    try {
      await sleep(300)
      for (let i = 0; i < changes; i++) {
        const heard = listeners.map(({ seat }) => next(seat))
        const answered = await change(writer!.seat, i)
        for (const [n, at] of (await Promise.all(heard)).entries()) (listeners[n]!.host === writer!.host ? same : other).push(at - answered)
        await sleep(20)
      }
    } finally {
      stop.abort()
      await Promise.all(listening)
    }
  }
  return { sameHost: quantiles(same), otherHost: quantiles(other) }
}

/** A flag, or a message; resolves to the moment of its OK. */
async function change(seat: Seat, i: number): Promise<number> {
  const text = 'Subject: news\r\n\r\nnews\r\n'
  if (i % 2 === 0) await seat.act(`STORE 1 ${i % 4 === 0 ? '+' : '-'}FLAGS.SILENT (notice)`)
  else await seat.act(`APPEND INBOX {${text.length}}`, text)
  return performance.now()
}

/** When the session is told something next. */
function next(seat: Seat): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error(`${seat.name} was told nothing within ${WITHIN} ms`)), WITHIN)
  seat.heard = (_text, at) => {
    clearTimeout(timer)
    seat.heard = undefined
    resolve(at)
  }
  return promise
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), worst: sorted.at(-1) ?? Number.NaN }
}
