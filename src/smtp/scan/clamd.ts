/** ClamAV's clamd, by INSTREAM over TCP or a Unix socket: clamd(8). */
import { connect, type Socket } from 'node:net'
import { sanitise } from '../reply.ts'
import type { Scan, Scanner, Verdict } from './scanner.ts'

/** Octets of an answer: a line with a signature's name. */
const MAX_ANSWER = 4 * 1024
/** Characters of a signature's name that are told. */
const MAX_NAME = 128

export type ClamdAddress = { readonly host: string; readonly port: number } | { readonly path: string }

export interface ClamdOptions {
  readonly address: ClamdAddress
  /** At most clamd's StreamMaxLength. */
  readonly maxSize: number
}

export const clamd = ({ address, maxSize }: ClamdOptions): Scanner => ({
  name: 'clamav',
  maxSize,
  wantsName: false,
  start: () => new ClamdScan(address),
})

class ClamdScan implements Scan {
  readonly #socket: Socket
  readonly #answer = Promise.withResolvers<Verdict>()
  #received = Buffer.alloc(0)

  constructor(address: ClamdAddress) {
    // Whoever waits for it hears of it; if the message ends before, nobody does.
    this.#answer.promise.catch(() => undefined)
    const socket = connect({ ...address, noDelay: true })
    this.#socket = socket
    socket.on('data', (octets: Buffer) => this.#take(octets))
    socket.on('error', (err) => this.#answer.reject(err))
    socket.on('close', () => this.#answer.reject(new Error('it ended the connection without an answer')))
    socket.write('zINSTREAM\0')
  }

  async write(chunk: Buffer): Promise<void> {
    const socket = this.#socket
    if (!socket.writable) return
    const written = Promise.withResolvers<void>()
    const length = Buffer.alloc(4)
    length.writeUInt32BE(chunk.length)
    socket.cork()
    socket.write(length)
    socket.write(chunk, () => written.resolve())
    socket.uncork()
    await written.promise
  }

  finish(): Promise<Verdict> {
    if (this.#socket.writable) this.#socket.write(Buffer.alloc(4))
    return this.#answer.promise
  }

  abort(): void {
    this.#socket.destroy()
  }

  #take(octets: Buffer): void {
    const end = octets.indexOf(0)
    this.#received = Buffer.concat([this.#received, end < 0 ? octets : octets.subarray(0, end)])
    if (this.#received.length > MAX_ANSWER) this.#socket.destroy(new Error('its answer is too long'))
    else if (end >= 0) {
      try {
        this.#answer.resolve(verdictOf(this.#received.toString('latin1')))
      } catch (err) {
        this.#answer.reject(err)
      }
      this.#socket.destroy()
    }
  }
}

/** Throws with words. */
export function verdictOf(answer: string): Verdict {
  if (answer === 'stream: OK') return { wanted: 'nothing', shown: ['clean'], reason: '' }
  const [, found] = /^stream: (.+) FOUND$/.exec(answer) ?? []
  if (found === undefined) throw new Error(`it says: ${sanitise(answer)}`)
  const name = found.slice(0, MAX_NAME).replace(/[^\w.:/-]/g, '_')
  return { wanted: 'reject', harmful: true, shown: ['infected', name], reason: `The message is infected: ${name}` }
}
