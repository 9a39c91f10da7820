/** A connection to another server, before anything was said. */
import { connect, type Socket } from 'node:net'
import { Failure } from './failure.ts'

interface Target {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly localAddress?: string | undefined
}

/** Throws Failure. */
export function reach({ address, port, host, localAddress }: Target, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy()
      reject(
        new Failure(`${host} [${address}] cannot be reached: ${why}`, { permanent: false, status: '4.4.1', remote: host, elsewhere: true, cause }),
      )
    }
    const socket = connect({ host: address, port, ...(localAddress !== undefined && { localAddress }) })
    const timer = setTimeout(() => fail('no answer'), timeout)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', onError)
      socket.on('error', () => {})
      socket.setNoDelay(true)
      resolve(socket)
    })
    const onError = (err: Error): void => {
      clearTimeout(timer)
      fail('code' in err ? String(err.code) : err.message, err)
    }
    socket.once('error', onError)
  })
}
