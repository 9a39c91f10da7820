/** What happens at once to every account: deliveries at any host, storms of flags, expunges, copies, POP3 programs that take mail away. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Lost, type Where, Wire } from '../faults/wire.ts'
import type { Seat } from './seat.ts'

export interface Shared {
  readonly random: (n: number) => number
  readonly stop: AbortSignal
  /** How often each kind was done. */
  readonly done: Map<string, number>
}

export const count = ({ done }: Pick<Shared, 'done'>, what: string): void => void done.set(what, (done.get(what) ?? 0) + 1)

const FLAGS = ['\\Seen', '\\Flagged', '\\Answered', 'work', 'later'] as const
/** A mailbox is kept about this large. */
const ENOUGH = 60

/** A session at work: it hears, asks, and now and then changes something. */
export async function sit(seat: Seat, shared: Shared): Promise<void> {
  const { random, stop } = shared
  while (!stop.aborted) {
    await seat.idle(100 + random(900))
    await seat.fill()
    if (random(3) > 0 || stop.aborted) continue
    const [what, line, literal] = choose(seat, random)
    if ((await seat.act(line, literal)) === 'OK') count(shared, what)
  }
}

function choose(seat: Seat, random: (n: number) => number): [string, string, string?] {
  const flag = FLAGS[random(FLAGS.length)]!
  const exists = seat.messages.length
  if (exists < 3 || random(6) === 0) {
    const text = `Subject: appended ${random(1_000_000)}\r\n\r\nappended\r\n`
    return ['append', `APPEND INBOX (${flag}) {${text.length}}`, text]
  }
  const one = 1 + random(exists)
  const to = one + random(exists - one + 1)
  const sign = random(2) === 0 ? '+' : '-'
  const acts: [string, string][] = [
    ['flags of all', `STORE 1:* ${sign}FLAGS (${flag})`],
    ['flags', `STORE ${one}:${to} ${sign}FLAGS (${flag})`],
    ['flags', `UID STORE ${seat.messages[one - 1]!.uid ?? 1} FLAGS (${flag})`],
    ['copy', `COPY ${one} INBOX`],
    ['move', `MOVE ${one} Archive`],
  ]
  if (exists > ENOUGH) return random(2) === 0 ? ['flags', `STORE 1:${exists - ENOUGH / 2} +FLAGS (\\Deleted)`] : ['expunge', 'EXPUNGE']
  return acts[random(acts.length)]!
}

export interface Post {
  readonly hosts: readonly { readonly mx: Where; readonly pop3s: Where }[]
  readonly users: readonly string[]
  readonly password: string
}

/** Another server: messages to one or three users, on one connection to one host. */
export async function deliver({ hosts, users }: Post, shared: Shared): Promise<void> {
  const { random, stop } = shared
  const wire = await Wire.open(hosts[random(hosts.length)]!.mx)
  const say = async (text: string, code: string): Promise<void> => {
    if (text !== '') wire.send(`${text}\r\n`)
    let line = await wire.line()
    while (line[3] === '-') line = await wire.line()
    if (!line.startsWith(code)) throw new Error(`${text.split('\r\n')[0]}: ${line}`)
  }
  await say('', '220')
  await say('EHLO elsewhere.test', '250')
  while (!stop.aborted) {
    const first = random(users.length)
    const to = Array.from({ length: random(3) === 0 ? 3 : 1 }, (_, i) => users[(first + i) % users.length]!)
    await say('MAIL FROM:<somebody@elsewhere.test>', '250')
    for (const user of to) await say(`RCPT TO:<${user}>`, '250')
    await say('DATA', '354')
    await say(`Subject: delivered ${random(1_000_000_000)}\r\nFrom: <somebody@elsewhere.test>\r\n\r\nto ${to.join(', ')}\r\n.`, '250')
    for (const _ of to) count(shared, 'delivery')
    await sleep(20 + random(60))
  }
  wire.close()
}

/** A POP3 program: reads some, deletes some, and says QUIT or just goes. */
export async function fetchMail({ hosts, users, password }: Post, shared: Shared): Promise<void> {
  const { random, stop } = shared
  while (!stop.aborted) {
    const wire = await Wire.open(hosts[random(hosts.length)]!.pop3s)
    try {
      const said = async (line: string): Promise<string> => {
        wire.send(`${line}\r\n`)
        return await wire.line()
      }
      await wire.line()
      await said(`USER ${users[random(users.length)]!}`)
      const welcome = await said(`PASS ${password}`)
      if (welcome.startsWith('+OK')) await take(wire, said, shared)
      else if (welcome.includes('[IN-USE]')) count(shared, 'maildrop in use')
      else throw new Error(welcome)
    } catch (err) {
      if (!(err instanceof Lost)) throw err
    } finally {
      wire.close()
    }
    await sleep(100 + random(400))
  }
}

async function take(wire: Wire, said: (line: string) => Promise<string>, shared: Shared): Promise<void> {
  const exists = Number(/^\+OK (\d+)/.exec(await said('STAT'))?.[1])
  for (let n = 1; n <= Math.min(exists, 3); n++) {
    if (!(await said(`RETR ${n}`)).startsWith('+OK')) continue
    while ((await wire.line()) !== '.');
    if (!(await said(`DELE ${n}`)).startsWith('+OK')) throw new Error('DELE was refused')
  }
  if (shared.random(4) === 0) {
    count(shared, 'maildrop left without QUIT')
    return
  }
  if (!(await said('QUIT')).startsWith('+OK')) throw new Error('QUIT was refused')
  count(shared, 'maildrop')
}
