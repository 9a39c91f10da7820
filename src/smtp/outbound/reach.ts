/** A connection to another server, before anything was said. */
import { connect, type Socket } from 'node:net'
import { Failure } from './failure.ts'

interface Target {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly localAddress?: string | undefined
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined
}

/** Throws Failure. */
export function reach({ address, port, host, localAddress, signal }: Target, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settled = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (why: string, cause?: unknown): void => {
      settled()
      socket.destroy()
      reject(
        new Failure(`${host} [${address}] cannot be reached: ${why}`, { permanent: false, status: '4.4.1', remote: host, elsewhere: true, cause }),
      )
    }
    const socket = connect({ host: address, port, ...(localAddress !== undefined && { localAddress }) })
    const timer = setTimeout(() => fail('no answer'), timeout)
    const onAbort = (): void => fail('this server stops')
    signal?.addEventListener('abort', onAbort)
    socket.once('connect', () => {
      settled()
      socket.off('error', onError)
      socket.on('error', () => {})
      socket.setNoDelay(true)
      resolve(socket)
    })
    const onError = (err: Error): void => fail('code' in err ? String(err.code) : err.message, err)
    socket.once('error', onError)
    if (signal?.aborted) onAbort()
  })
}
