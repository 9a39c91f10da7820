/**
 * A proxy before Postgres that sees each statement by its name. It can swallow a reply (the server has done what it was asked, and nobody hears of it), and it
 * can call somebody at one of three moments of one statement.
 */
import { createServer, connect as dial, type Socket } from 'node:net'
import type { TestConnect } from './postgres.ts'

/** Of a statement: not sent on yet; sent on whole; answered, and the answer not passed on. */
export const MOMENTS = ['before', 'sent', 'answered'] as const
export type Moment = (typeof MOMENTS)[number]

export interface Point {
  readonly statement: string
  /** Which one of that name, from 1. */
  readonly nth: number
  readonly moment: Moment
}

export interface CuttingProxy {
  readonly connect: TestConnect
  readonly url: string
  /** The reply to the `n`th statement from now is swallowed, and its connection closed. */
  cutReply(n: number): void
  /** Whether the cut has happened. */
  readonly cut: boolean
  /**
   * Calls `act` at a point, counted from now; nothing that is not sent on by then will be, on that connection. undefined: at none. `cutOff` ends that connection,
   * on both sides.
   */
  at(point: Point | undefined, act?: (cutOff: () => void) => void): void
  /** Ends every connection. */
  sever(): void
  /** Ends every connection, and takes no new one until it is told so. */
  away(is: boolean): void
  /** Statements since the last `at`, in the order in which they came. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

const BIND = 0x42
const SYNC = 0x53

export async function cuttingProxy(to: TestConnect): Promise<CuttingProxy> {
  let left = 0
  let cut = false
  let point: Point | undefined
  let act: (cutOff: () => void) => void = () => {}
  let seen: string[] = []
  let away = false
  const sockets = new Set<Socket>()
  const sever = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer({ noDelay: true }, (client) => {
    if (away) return void client.destroy()
    const upstream = dial(`${to.host}/.s.PGSQL.${to.port}`)
    let deaf = false
    let stuck = false
    /** The statement under way is the one of `point`. */
    let here = false
    let answers: (() => void) | undefined
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    const cutOff = (): void => {
      client.destroy()
      upstream.destroy()
    }
    const begins = (statement: string): void => {
      seen.push(statement)
      here = point?.statement === statement && seen.filter((name) => name === statement).length === point.nth
      if (here && point?.moment === 'before') {
        stuck = true
        act(cutOff)
      }
    }
    /** All of a statement was sent on. */
    const ends = (): void => {
      if (left > 0 && --left === 0) {
        cut = deaf = true
        // Long enough for the statement to be done, and then some.
        setTimeout(cutOff, 40)
      }
      if (here && point?.moment === 'sent') act(cutOff)
      if (here && point?.moment === 'answered') answers = () => act(cutOff)
      here = false
    }
    const frames = new Frames((frame, type) => {
      // The name of a statement stands behind that of its portal.
      if (type === BIND) begins(textAt(frame, textEnd(frame, 5) + 1))
      if (!stuck) upstream.write(frame)
      if (type === SYNC) ends()
    })
    client.on('data', (bytes: Buffer) => frames.take(bytes))
    upstream.on('data', (bytes) => {
      if (answers) {
        deaf = true
        answers()
        answers = undefined
      }
      if (!deaf) client.write(bytes)
    })
    client.on('close', () => upstream.destroySoon())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    connect: { ...to, host: '127.0.0.1', port },
    url: `postgres://${to.user}:${encodeURIComponent(to.password)}@127.0.0.1:${port}/${to.database}`,
    cutReply(n) {
      cut = false
      left = n
    },
    get cut() {
      return cut
    },
    at(where, then: (cutOff: () => void) => void = () => {}) {
      point = where
      seen = []
      act = (cutOff) => {
        point = undefined
        then(cutOff)
      }
    },
    sever,
    away(is) {
      away = is
      if (is) sever()
    },
    get seen() {
      return seen
    },
    async close() {
      sever()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const textEnd = (frame: Buffer, from: number): number => frame.indexOf(0, from)
const textAt = (frame: Buffer, from: number): string => frame.toString('latin1', from, textEnd(frame, from))

/** Divides what a client of Postgres writes into its messages; the first has no type. */
class Frames {
  readonly #each: (frame: Buffer, type: number | undefined) => void
  #rest: Buffer = Buffer.alloc(0)
  #started = false

  constructor(each: (frame: Buffer, type: number | undefined) => void) {
    this.#each = each
  }

  take(bytes: Buffer): void {
    let all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    for (;;) {
      const head = this.#started ? 1 : 0
      if (all.length < head + 4) break
      const length = head + all.readUInt32BE(head)
      if (all.length < length) break
      this.#each(all.subarray(0, length), this.#started ? all[0] : undefined)
      this.#started = true
      all = all.subarray(length)
    }
    this.#rest = all
  }
}
