/** The clients of one run, and what they share: a POP3 session after the other, an IMAP session, and one that sends. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AfterDownload } from '../../../src/store/pop3-policy.ts'
import type { Ledger } from '../../support/ledger.ts'
import type { Tally } from '../../support/tally.ts'
import { address, type Host } from '../load/load.ts'
import { Dialogue } from '../load/smtp.ts'
import { Lost } from '../wire.ts'
import type { Book } from './book.ts'
import type { Rule } from './rules.ts'
import type { Visits } from './visits.ts'

/** Where a client is: before a command, between its line and the answer, after the answer, or so many octets into it. */
export interface Moment {
  readonly client: string
  readonly command: string
  readonly phase: 'before' | 'sent' | 'after' | 'within'
  readonly octets?: number
  /** Ends its connection. */
  readonly drop: () => void
}

export interface Policy {
  readonly after: AfterDownload
  readonly folder: string
  readonly seen: boolean
  /** The newest so many are shown. */
  readonly max: number | undefined
}

export interface Run {
  readonly user: string
  readonly book: Book
  readonly visits: Visits
  readonly ledger: Ledger
  readonly tally: Tally<Rule>
  readonly hosts: readonly Host[]
  /** Something happens here, or does not. */
  at(moment: Moment): Promise<void>
  /** A server had trouble that it may speak of. */
  readonly isDisturbed: boolean
}

export interface Client {
  readonly name: string
  readonly password: string
  readonly random: (n: number) => number
}

/** Three of four times the first host, where most of the faults are; the other one while that is down. */
export function hostFor({ hosts }: Run, { random }: Pick<Client, 'random'>, service: 'mx' | 'imaps' | 'pop3s'): Host {
  const [first, second] = random(4) === 0 ? [...hosts].reverse() : hosts
  try {
    first!.where(service)
    return first!
  } catch {
    return second!
  }
}

/** What the undisturbed server must not do. */
export function unexpected({ tally, isDisturbed }: Run, { name }: Pick<Client, 'name'>, what: string): void {
  tally.check('words', isDisturbed, () => `${name}: ${what}`)
}

const TRIES = 40

/** Sends its message; after an answer that was lost again, or never again. */
export async function sender(run: Run, client: Client): Promise<void> {
  const { ledger, book, user } = run
  const { name, random } = client
  const message = ledger.message({ to: [user], from: 'sender@outside.test', octets: random(12) === 0 ? 400_000 : undefined })
  const letter = book.letter(message, 'INBOX', 'refused')
  const givesUp = random(3) === 0
  await sleep(random(40))
  for (let tries = 0; tries < TRIES; tries++) {
    let dialogue: Dialogue | undefined
    try {
      dialogue = await Dialogue.open(hostFor(run, client, 'mx'))
      const drop = () => dialogue?.close()
      await run.at({ client: name, command: 'MAIL', phase: 'before', drop })
      const { code, sent, text } = await dialogue.send({ from: 'sender@outside.test', to: [address(user)], message }, (command) =>
        run.at({ client: name, command, phase: 'sent', drop }),
      )
      if (code === 250) {
        book.arrived(letter)
        return await run.at({ client: name, command: 'after 250', phase: 'after', drop })
      }
      if (sent) letter.arrived = 'doubt'
      if (sent) ledger.sentAgain.add(message.token)
      if (code >= 400) unexpected(run, client, text)
    } catch (err) {
      if (!(err instanceof Lost)) throw err
    } finally {
      dialogue?.close()
    }
    if (givesUp) return
    await sleep(20 + random(60))
  }
}
