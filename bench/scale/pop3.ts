/** A POP3 program that asks whether there is something new: login, STAT, QUIT. */
import { connect } from 'node:tls'
import type { Endpoint, User } from '../peer.ts'

const WITHIN = 10_000

export async function checkMaildrop({ host, port, ca }: Endpoint, { address, password }: User): Promise<void> {
  const socket = connect({ host, port, ca, servername: 'localhost' })
  socket.setTimeout(WITHIN, () => socket.destroy(new Error('no answer from POP3')))
  const says = ['', `USER ${address}`, `PASS ${password}`, 'STAT', 'QUIT']
  let text = ''
  socket.setEncoding('latin1')
  try {
    const lines = socket[Symbol.asyncIterator]()
    for (const line of says) {
      if (line !== '') socket.write(`${line}\r\n`)
      while (!text.includes('\r\n')) {
        const { value, done } = (await lines.next()) as IteratorResult<string>
        if (done) throw new Error('POP3 closed the connection')
        text += value
      }
      const end = text.indexOf('\r\n')
      if (!text.startsWith('+OK')) throw new Error(`POP3 said ${text.slice(0, end)} to ${line.split(' ')[0]}`)
      text = text.slice(end + 2)
    }
  } finally {
    socket.destroy()
  }
}
