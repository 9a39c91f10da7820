/** Connections that the keeper accepted, on their way to a worker: each in turn, and none to one that has not taken its last. */

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { ServiceName } from '../config/schema.ts'
import type { Log } from '../log.ts'
import type { Member } from './member.ts'

/** Connections that wait for a worker, such as while all of them start anew. More are turned away. */
export const MAX_WAITING = 1_024
const KEEP_ALIVE_MS = 60_000

interface Waiting {
  readonly service: ServiceName
  readonly socket: Socket
}

/** A listener of the keeper's. */
export interface Front {
  readonly port: number
  readonly connections: number
  close(): void
  drain(): Promise<void>
}

export class Handover {
  readonly #log: Log
  /** Those that serve; the first is the next. */
  readonly #members: Member[] = []
  readonly #waiting: Waiting[] = []

  constructor(log: Log) {
    this.#log = log
  }

  add(member: Member): void {
    this.#members.push(member)
    this.go()
  }

  remove(member: Member): void {
    const at = this.#members.indexOf(member)
    if (at >= 0) this.#members.splice(at, 1)
  }

  /** Rejects when the address cannot be listened on. */
  async listen(service: ServiceName, host: string, port: number): Promise<Front> {
    const server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (socket) => {
        socket.on('error', () => {})
        if (this.#waiting.length >= MAX_WAITING) socket.destroy()
        else this.#waiting.push({ service, socket })
        this.go()
      },
    )
    server.listen({ host, port })
    await once(server, 'listening')
    server.on('error', (err) => this.#log.error({ err }, 'accepting a connection failed'))
    const address = server.address()
    const close = (): void => void server.close()
    return {
      port: typeof address === 'object' && address ? address.port : port,
      connections: 0,
      close,
      drain: async () => close(),
    }
  }

  /** Gives what waits to whom is free. */
  go(): void {
    while (this.#waiting.length > 0) {
      const at = this.#members.findIndex((member) => member.free)
      if (at < 0) return
      const [member] = this.#members.splice(at, 1)
      this.#members.push(member!)
      const { service, socket } = this.#waiting.shift()!
      if (!socket.destroyed) member!.give(service, socket)
    }
  }

  /** Nobody will come for those that wait. */
  close(): void {
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
  }
}
