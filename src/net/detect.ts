/** What a client begins with, looked at before anything answers it. Nothing is taken from the socket. */
import type { Socket } from 'node:net'
import { type ClientHello, MAX_CLIENT_HELLO, readClientHello } from './client-hello.ts'

/** First octet of a TLS record that carries a ClientHello (RFC 8446 §5.1); no mail protocol begins with it. */
const TLS_HANDSHAKE = 0x16

/**
 * true: the client began with TLS. false: it began with something else, or waits for us to speak.
 * Rejects when the client left.
 */
export const looksLikeTls = async (socket: Socket, waitMs: number): Promise<boolean> =>
  (await peek(socket, { waitMs, judge: (start) => start[0] === TLS_HANDSHAKE })) ?? false

/** A ClientHello may come in so many records' octets, headers included; what is still none by then is the TLS library's to judge. */
const MAX_PEEKED = 2 * MAX_CLIENT_HELLO

/** undefined: it is no ClientHello that can be read, or not whole within the time. Rejects when the client left. */
export const peekClientHello = (socket: Socket, waitMs: number): Promise<ClientHello | undefined> =>
  peek(socket, {
    waitMs,
    judge(start) {
      const hello = readClientHello(start)
      if (hello === 'incomplete' && start.length < MAX_PEEKED) return MORE
      return typeof hello === 'string' ? undefined : hello
    },
  })

const MORE = Symbol('more')

interface Peek<T> {
  readonly waitMs: number
  /** Of all that came so far. */
  readonly judge: (start: Buffer) => T | typeof MORE
}

async function peek<T>(socket: Socket, { waitMs, judge }: Peek<T>): Promise<T | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
  const came: Buffer[] = []
  const putBack = (): void => {
    // Before unshift, which makes the socket readable again.
    socket.off('readable', look)
    if (came.length > 0 && !socket.destroyed) socket.unshift(Buffer.concat(came))
    came.length = 0
  }
  const look = (): void => {
    const more = socket.read() as Buffer | null
    if (more === null) return
    came.push(more)
    const judged = judge(came.length === 1 ? more : Buffer.concat(came))
    if (judged === MORE) return
    putBack()
    resolve(judged)
  }
  const left = (): void => reject(new Error('the client left before it said anything'))
  const timer = setTimeout(() => resolve(undefined), waitMs)
  socket.on('readable', look)
  socket.once('end', left)
  socket.once('close', left)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    putBack()
    socket.off('end', left)
    socket.off('close', left)
  }
}
