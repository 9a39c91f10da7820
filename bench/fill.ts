/** The mailboxes that are read: `Mail`, 10,000 messages of 5 KB, and `Large`, ten times the same by COPY. */
import { ImapClient } from './imap-client.ts'
import { flagsOf, message } from './message.ts'
import type { Peer } from './peer.ts'
import { statusCount } from './replies.ts'

export const MAIL = 'Mail'
export const LARGE = 'Large'
export const COPIES = 10

const FILL_CONNECTIONS = 8

export async function fill(peer: Peer, messages: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: FILL_CONNECTIONS }, () => ImapClient.login(peer.imap, peer.users[0]!)))
  const [first] = clients
  await first!.ok(`CREATE ${MAIL}`)
  await first!.ok(`CREATE ${LARGE}`)
  const multi = first!.together
  // Dovecot is quickest with one transaction, Postern with many connections whose commits it gathers.
  const fillers = multi ? [first!] : clients
  await Promise.all(fillers.map((client, i) => client.appendAll(MAIL, some(messages, { from: i, step: fillers.length }))))
  await first!.ok(`SELECT ${MAIL}`)
  for (let i = 0; i < COPIES; i++) await first!.ok(`COPY 1:* ${LARGE}`)
  for (const [name, wanted] of [
    [MAIL, messages],
    [LARGE, messages * COPIES],
  ] as const) {
    const has = statusCount((await first!.ok(`STATUS ${name} (MESSAGES)`)).bytes)
    if (has !== wanted) throw new Error(`${peer.name}: ${name} has ${has} messages, not ${wanted}`)
  }
  await Promise.all(clients.map((client) => client.close()))
}

function* some(total: number, { from, step }: { from: number; step: number }): Generator<{ flags: string; bytes: Buffer }> {
  for (let n = from; n < total; n += step) yield { flags: flagsOf(n), bytes: message(n) }
}

/** Octets of all messages of `Mail`. */
export function mailBytes(messages: number): number {
  let bytes = 0
  for (let n = 0; n < messages; n++) bytes += message(n).length
  return bytes
}
