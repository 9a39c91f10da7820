/** The world's mail server, as far as a relay is concerned: takes every message and remembers how often it got which token. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { tokenOf } from '../support/ledger.ts'

export interface FakeRelay {
  readonly port: number
  /** Token → times. */
  readonly got: ReadonlyMap<string, number>
  close(): Promise<void>
}

export async function fakeRelay(): Promise<FakeRelay> {
  const got = new Map<string, number>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.setEncoding('latin1')
    let text = ''
    let inData = false
    const say = (line: string) => socket.write(`${line}\r\n`)
    const take = (): boolean => {
      const mark = inData ? '\r\n.\r\n' : '\r\n'
      const end = text.indexOf(mark)
      if (end < 0) return false
      const part = text.slice(0, end)
      text = text.slice(end + mark.length)
      if (inData) {
        const token = tokenOf(part)
        if (token !== undefined) got.set(token, (got.get(token) ?? 0) + 1)
        inData = false
        say('250 2.0.0 taken')
      } else if (/^DATA/i.test(part)) {
        inData = true
        say('354 go on')
      } else if (/^QUIT/i.test(part)) {
        say('221 bye')
        socket.end()
      } else say('250 fine')
      return true
    }
    socket.on('data', (chunk: string) => {
      text += chunk
      while (take());
    })
    say('220 relay.test ESMTP')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    got,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
