/** One run: two POP3 programs, one of IMAP and a sender on one account at the same time, what fails meanwhile, and the judgement. */
import { redisMissing } from '../../support/redis.ts'
import type { Tally } from '../../support/tally.ts'
import { address } from '../load/load.ts'
import { Book } from './book.ts'
import { chanceOf, FOLDER, planOf, policiesOf, type What } from './chance.ts'
import { type Client, type Moment, type Run, sender } from './clients.ts'
import { type Home, openHome, PASSWORDS, userOf } from './home.ts'
import { imapper, KEPT } from './imap.ts'
import { judgeHome, judgeRun } from './look.ts'
import { popper } from './pop3.ts'
import type { Rule } from './rules.ts'
import { Trouble } from './trouble.ts'
import type { Doubt } from './verdict.ts'
import { Visits } from './visits.ts'

/** Runs of one home: one start of the servers, apart from those that are killed. */
export const AT_HOME = 50

export interface Counts {
  runs: number
  /** What was to fail, and did. */
  readonly happened: Map<What, number>
  readonly deeds: Record<'done' | 'refused' | 'doubt', number>
  /** What commands in doubt came to. */
  readonly doubts: Record<Doubt, number>
  /** Seeds of the runs in which something was found. */
  readonly faulty: number[]
}

export const noCounts = (): Counts => ({
  runs: 0,
  happened: new Map(),
  deeds: { done: 0, refused: 0, doubt: 0 },
  doubts: { done: 0, undone: 0, unknown: 0 },
  faulty: [],
})

/** The runs of these seeds, and what is there when all are over. `each` hears of every one; false: that is enough. */
export async function runHome(
  seeds: readonly number[],
  { tally, counts, enough }: { tally: Tally<Rule>; counts: Counts; enough: () => boolean },
): Promise<Tally> {
  // Every other home has a Redis, where there is one; a seed is always in such a home.
  await using home = await openHome({ seeds, hasRedis: Math.floor(seeds[0]! / AT_HOME) % 2 === 0 && !redisMissing })
  const users: string[] = []
  for (const seed of seeds) {
    const before = tally.violations + home.invariants.violations
    await oneRun(home, { seed, tally, counts })
    users.push(userOf(seed))
    if (tally.violations + home.invariants.violations > before) counts.faulty.push(seed)
    if (enough()) break
  }
  await home.ready
  await judgeHome(home, users)
  return home.invariants
}

async function oneRun(home: Home, { seed, tally, counts }: { seed: number; tally: Tally<Rule>; counts: Counts }): Promise<void> {
  await home.ready
  const [a, b] = policiesOf(seed)
  const plan = planOf(seed, home.redis !== undefined)
  const user = userOf(seed)
  const book = new Book(tally)
  const visits = new Visits(tally)
  await fill(home, { user, book, plan, folders: [a.folder, b.folder] })

  const trouble = new Trouble({ home, user, visits, tally, random: chanceOf(seed, 2) }, plan.faults)
  const run: Run = {
    ...{ user, book, visits, tally, ledger: home.ledger, hosts: home.hosts },
    at: (moment: Moment) => trouble.at(moment),
    get isDisturbed() {
      return trouble.isDisturbed
    },
  }
  const client = <Name extends keyof typeof PASSWORDS>(name: Name, part: number): Client => ({
    name,
    password: PASSWORDS[name],
    random: chanceOf(seed, part),
  })
  const of = chanceOf(seed, 3)
  const folders = [...new Set([a.folder, b.folder])]
  await Promise.all([
    popper(run, { ...client('pop-a', 4), policy: a, visits: 1 + of(2) }),
    popper(run, { ...client('pop-b', 5), policy: b, visits: 1 + of(2) }),
    imapper(run, { ...client('imap', 6), boxes: folders }),
    sender(run, { ...client('imap', 7), name: 'smtp' }),
  ])
  await trouble.over()
  await home.quiet()
  const doubts = await judgeRun(home, run, [a.folder, b.folder])

  counts.runs++
  for (const what of trouble.happened) counts.happened.set(what, (counts.happened.get(what) ?? 0) + 1)
  for (const { outcome, isDoomed } of book.deeds) if (!isDoomed) counts.deeds[outcome]++
  for (const came of doubts) counts.doubts[came]++
}

interface Filling {
  readonly user: string
  readonly book: Book
  readonly plan: ReturnType<typeof planOf>
  readonly folders: readonly string[]
}

/** The messages that are there before anybody comes. */
async function fill({ opened, ledger }: Home, { user, book, plan, folders }: Filling): Promise<void> {
  const { store, accounts } = opened
  const account = accounts.grant((await accounts.login(address(user)))!)
  await store.create(account, KEPT)
  // What a QUIT moves to is made by it, where it is not there.
  if (plan.hasNoPlaces) for (const name of ['Trash', 'Archive']) await store.remove(account, name)
  if (folders.includes(FOLDER)) await store.create(account, FOLDER)
  const boxes = [...new Set(folders)]
  for (const [at, box] of boxes.entries()) {
    const messages = []
    for (const octets of plan.letters.slice(0, at === 0 ? undefined : 3)) {
      const message = ledger.message({ to: [user], from: 'before@outside.test', octets })
      const stage = store.stage(account, 10_000_000)
      await stage.write(Buffer.from(message.octets, 'latin1'))
      messages.push({ content: await stage.finish(), flags: [], internalDate: 1 })
      book.letter(message, box, 'done')
    }
    await store.append(await store.open(account, box, true), messages)
  }
}
