/** Which of two protocols a client begins with, where one port speaks both. */
import type { Socket } from 'node:net'

/** First octet of a TLS record that carries a ClientHello (RFC 8446 §5.1); no mail protocol begins with it. */
const TLS_HANDSHAKE = 0x16

/**
 * true: the client began with TLS. false: it began with something else, or waits for us to speak. Nothing is taken from the socket.
 * Rejects when the client left.
 */
export async function looksLikeTls(socket: Socket, waitMs: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const look = (): void => {
    const start = socket.read() as Buffer | null
    if (start === null) return
    // Before unshift, which makes the socket readable again.
    socket.off('readable', look)
    socket.unshift(start)
    resolve(start[0] === TLS_HANDSHAKE)
  }
  const left = (): void => reject(new Error('the client left before it said anything'))
  const timer = setTimeout(() => resolve(false), waitMs)
  socket.on('readable', look)
  socket.once('end', left)
  socket.once('close', left)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.off('readable', look)
    socket.off('end', left)
    socket.off('close', left)
  }
}
