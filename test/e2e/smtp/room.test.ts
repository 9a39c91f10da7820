/** The room for messages that are coming in is shared, and not the strangers' alone. */
import { test } from 'node:test'
import { InFlight } from '../../../src/smtp/pace.ts'
import { Client, plain, type Running, startMx, startSubmission } from './harness.ts'

const ENVELOPE = [
  ['MAIL FROM:<x@elsewhere.example>', '250'],
  ['RCPT TO:<ann@example.org>', '250'],
] as const

async function stranger({ port }: Running): Promise<Client> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  return client
}

test('strangers do not take the room of those who log in', async () => {
  const inFlight = new InFlight(4 * 1024 * 1024)
  const server = await startMx({ inFlight })
  const house = await startSubmission({ inFlight })
  const strangers = await Promise.all(Array.from({ length: 4 }, () => stranger(server)))
  for (const [i, one] of strangers.entries()) await one.expect(...ENVELOPE, ['DATA', i < 3 ? '354' : '452 4.3.1'])
  const client = await Client.connectTls(house.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org>', '250'])
  await client.expect(['RCPT TO:<bob@example.org>', '250'], ['DATA', '354'], ['From: ann@example.org\r\n\r\nx\r\n.', '250'])
  for (const one of [...strangers, client]) one.close()
  await Promise.all([server.stop(), house.stop()])
})
