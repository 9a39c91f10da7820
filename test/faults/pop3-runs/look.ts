/** Everything that is there after a run: by IMAP, by POP3 and by SQL, and each against the others. */
import { setTimeout as sleep } from 'node:timers/promises'
import { foldMailbox, mailboxesToFold } from '../../../src/store/pg/fold.ts'
import { bodyOf, sha256, tokenOf } from '../../support/ledger.ts'
import { judge } from '../judge.ts'
import { address, type Host } from '../load/load.ts'
import { readShown, type ShownBox } from '../read-imap.ts'
import { readStored, type Stored } from '../read-sql.ts'
import { Wire } from '../wire.ts'
import type { Run } from './clients.ts'
import { type Home, PASSWORDS } from './home.ts'
import { type Doubt, enter, type Finds, type Found, judgeBook } from './verdict.ts'
import { GRACE } from './visits.ts'

/** Reads and judges one account. `folders`: the maildrops of the POP3 programs, in their order. */
export async function judgeRun(home: Home, run: Run, folders: readonly [string, string]): Promise<Doubt[]> {
  const { user, book, tally, ledger } = run
  const [one, two] = run.hosts
  // The first host may be on its way yet; the other one never failed.
  const host = isUp(one!) ? one! : two!
  const drops = new Map<string, ReadonlySet<string>>()
  for (const [i, name] of (['look-a', 'look-b'] as const).entries())
    if (!drops.has(folders[i]!)) drops.set(folders[i]!, await lookByPop3(run, { host, box: folders[i]!, password: PASSWORDS[name] }))
  const shown = await readShown(host, [user], PASSWORDS.imap)
  const stored = await readStored(home.database.connect, [user])
  const finds = findsOf(stored)
  const doubts = judgeBook(book, finds, tally)
  judgeShown(run, { shown, drops })
  enter(ledger, user, book)
  for (const { box, uidvalidity, rows } of shown) for (const [uid, { sha }] of rows) ledger.tell({ user, box, uidvalidity, uid }, sha, 'the look')
  judge({ ledger, users: [user], stored, shown, copies: [], relayed: undefined, doubtful: 0 }, home.invariants)
  return doubts
}

/** Of all runs at once: folded as not folded, and nothing has come back meanwhile. */
export async function judgeHome(home: Home, users: readonly string[]): Promise<void> {
  const { database, pool, ledger, invariants } = home
  const before = await readStored(database.connect)
  for (let keys = await mailboxesToFold(pool, 100); keys.length > 0; keys = await mailboxesToFold(pool, 100))
    for (const key of keys) while ((await foldMailbox(pool, key)) > 0);
  const after = await readStored(database.connect)
  for (const stored of [before, after]) judge({ ledger, users, stored, shown: [], copies: [], relayed: undefined, doubtful: 0 }, invariants)
  const flat = ({ boxes }: Stored) =>
    new Map(boxes.flatMap(({ user, box, rows }) => [...rows].map(([uid, { sha, flags }]) => [`${user}/${box}/${uid}`, `${sha} ${flags}`] as const)))
  const [folded, unfolded] = [flat(after), flat(before)]
  for (const key of new Set([...folded.keys(), ...unfolded.keys()]))
    invariants.check(
      'I4',
      folded.get(key) === unfolded.get(key),
      () => `${key} is ${unfolded.get(key)}, and when the log was folded ${folded.get(key)}`,
    )
}

function isUp(host: Host): boolean {
  try {
    host.where('pop3s')
    return true
  } catch {
    return false
  }
}

function findsOf({ boxes }: Stored): Finds {
  const finds = new Map<string, Found[]>()
  for (const { box, rows } of boxes)
    for (const { octets, flags } of rows.values()) {
      const token = tokenOf(octets) ?? 'no token'
      finds.set(token, [...(finds.get(token) ?? []), { box, flags: flags.split(' ') }])
    }
  return finds
}

interface Maildrop {
  readonly host: Host
  readonly box: string
  readonly password: string
}

/** The tokens that a fresh session is shown, each read whole. After its QUIT another one is let in at once. */
async function lookByPop3(run: Run, drop: Maildrop): Promise<Set<string>> {
  const tokens = new Set<string>()
  const until = performance.now() + GRACE + 1_000
  let looks = 0
  let last = ''
  while (looks < 2 && performance.now() < until) {
    const visit = run.visits.begin(`look ${looks}`, drop.box, drop.host.name)
    const wire = await Wire.open(drop.host.where('pop3s'))
    try {
      const say = async (line: string): Promise<string> => {
        wire.send(`${line}\r\n`)
        return await wire.line()
      }
      await wire.line()
      await say(`USER ${address(run.user)}`)
      const from = run.book.now()
      run.visits.move(visit, 'entering')
      const said = await say(`PASS ${drop.password}`)
      last = said
      run.visits.answered(visit, said, run.isDisturbed)
      if (!said.startsWith('+OK')) {
        await sleep(10)
        continue
      }
      if (looks === 0) await readAll(run, { wire, say, tokens })
      if (looks === 0) run.book.shown('look', { box: drop.box, tokens, from, all: true })
      looks++
      run.visits.move(visit, 'leaving')
      const bye = await say('QUIT')
      run.tally.check('words', bye.startsWith('+OK'), () => `a QUIT without marks is answered ${bye}`)
      run.visits.move(visit, 'left')
    } finally {
      wire.close()
    }
  }
  run.tally.check('free', looks === 2, () => `nobody is let into ${drop.box}: ${last}; ${run.visits.describe(drop.box)}`)
  return tokens
}

interface Reading {
  readonly wire: Wire
  readonly say: (line: string) => Promise<string>
  readonly tokens: Set<string>
}

async function readAll({ book, tally }: Run, { wire, say, tokens }: Reading): Promise<void> {
  const lines = async (): Promise<string[]> => {
    const all: string[] = []
    for (let line = await wire.line(); line !== '.'; line = await wire.line()) all.push(line.startsWith('.') ? line.slice(1) : line)
    return all
  }
  tally.check('words', (await say('UIDL')).startsWith('+OK'), () => 'UIDL')
  const ids = (await lines()).map((line) => line.split(' ')[1]!)
  tally.check('names', new Set(ids).size === ids.length, () => `one unique-id twice: ${ids}`)
  wire.send(ids.map((_, at) => `RETR ${at + 1}\r\n`).join(''))
  for (const id of ids) {
    const said = await wire.line()
    tally.check('read', said.startsWith('+OK'), () => `${book.tokenOf(id) ?? id}: RETR is answered ${said}`)
    if (!said.startsWith('+OK')) continue
    const octets = `${(await lines()).join('\r\n')}\r\n`
    const token = tokenOf(octets)
    const letter = book.letters.get(token ?? '')
    tally.check('read', letter !== undefined && sha256(bodyOf(octets)) === letter.message.bodySha, () => `${id}: ${token} has other octets`)
    if (token === undefined) continue
    tally.check('once', !tokens.has(token), () => `POP3 shows ${token} twice`)
    book.named(id, token, 'look')
    tokens.add(token)
  }
}

/** A maildrop is what IMAP has in its mailbox, without what is hidden; and that is whole. */
function judgeShown({ book, tally }: Run, { shown, drops }: { shown: readonly ShownBox[]; drops: ReadonlyMap<string, ReadonlySet<string>> }): void {
  for (const { box, rows } of shown) {
    const drop = drops.get(box)
    for (const { octets, flags } of rows.values()) {
      const token = tokenOf(octets) ?? ''
      const letter = book.letters.get(token)
      tally.check(
        'read',
        letter !== undefined && sha256(bodyOf(octets)) === letter.message.bodySha,
        () => `IMAP shows ${token} in ${box} with other octets`,
      )
      const isHidden = flags.split(' ').includes('$POP3Deleted')
      if (drop)
        tally.check(
          'read',
          drop.has(token) !== isHidden,
          () => `${token} is ${isHidden ? '' : 'not '}hidden in ${box}, and POP3 shows ${drop.has(token)}`,
        )
    }
    const there = new Set([...rows.values()].map(({ octets }) => tokenOf(octets)))
    for (const token of drop ?? []) tally.check('read', there.has(token), () => `POP3 shows ${token}, and IMAP has it not in ${box}`)
  }
}
