/** `postern mailbox import-uidl`: messages that came from a Dovecot keep the POP3 unique-ids that they had there, so that no mail program fetches them a second time. */
import { resolve } from 'node:path'
import { findPlaces } from '../../config/places.ts'
import { silentLog } from '../../log.ts'
import { Refused } from '../../serve/refused.ts'
import { Pool } from '../../store/pg/pool.ts'
import { accountOf, candidatesIn, giveUidls, hasUidls, importedUidls } from '../../store/pg/pop-uidl.ts'
import type { AccountId, Mid } from '../../store/types.ts'
import { type Arguments, type Surroundings, Usage } from '../args.ts'
import { withDatabase } from '../backup/database.ts'
import { DONE } from '../failure.ts'
import { addressIn } from '../mailbox-file.ts'
import { DEFAULT_FORMAT, formatterOf } from './dovecot-uidlist.ts'
import { type Maildir, readMaildir } from './maildir.ts'
import { isUsable, Matcher, type Verdict } from './match.ts'

/** Their digests are in memory, some 100 octets each. */
const MAX_MESSAGES = 2_000_000
/** Unique-ids that one statement writes. */
const STEP = 1_000

type Tally = Record<Verdict['kind'] | 'alike' | 'gone' | 'unusable', number>

/** Throws Usage, Refused. */
export async function importUidl(args: Arguments, around: Surroundings): Promise<number> {
  const [, , text, path, folder = 'INBOX', ...more] = args.words
  if (text === undefined || path === undefined || more.length > 0)
    throw new Usage('mailbox import-uidl takes an address, a Maildir, and perhaps a mailbox')
  if (args.passwordStdin || args.name !== undefined) throw new Usage('mailbox import-uidl takes neither --password-stdin nor --name')
  const address = addressIn(text)
  const maildir = await readMaildir(resolve(around.cwd, path))
  const format = formatterOf(args.format ?? maildir.header.format ?? DEFAULT_FORMAT)
  const places = findPlaces(args.flags, around.env, around.cwd)
  await withDatabase({ places, env: around.env }, async (connect) => {
    const pool = new Pool({ connect, max: 2, log: silentLog() })
    try {
      const account = await found(pool, address)
      const matcher = await matcherFor(pool, account, folder)
      const give = args.dryRun ? undefined : (some: Parameters<typeof giveUidls>[2]) => giveUidls(pool, account, some)
      const tally = await match(maildir, { matcher, format, give })
      report(around.out, { tally, matcher, folder, dryRun: args.dryRun })
    } finally {
      await pool.close()
    }
  })
  return DONE
}

async function found(pool: Pool, address: string): Promise<AccountId> {
  if (!(await hasUidls(pool))) throw new Refused('the database was made by an older Postern: start this version once, then import')
  const account = await accountOf(pool, address)
  if (account === undefined)
    throw new Refused(`there is no mailbox ${address} in the database: the server makes it when it starts with it in its config`)
  return account
}

async function matcherFor(pool: Pool, account: AccountId, folder: string): Promise<Matcher> {
  const candidates = await candidatesIn(pool, account, folder)
  if (!candidates) throw new Refused(`the user has no mailbox ${folder}`)
  const matcher = new Matcher((await importedUidls(pool, account)).entries())
  for await (const { mid, sha256 } of candidates) {
    matcher.add(mid, sha256)
    if (matcher.count > MAX_MESSAGES) throw new Refused(`${folder} has more than ${MAX_MESSAGES} messages`)
  }
  return matcher
}

interface Matching {
  readonly matcher: Matcher
  readonly format: ReturnType<typeof formatterOf>
  /** Absent: nothing is written. Which got theirs. */
  readonly give: ((some: readonly { mid: Mid; uidl: string }[]) => Promise<ReadonlySet<number>>) | undefined
}

async function match({ header, messages }: Maildir, { matcher, format, give }: Matching): Promise<Tally> {
  const tally: Tally = { matched: 0, had: 0, alike: 0, missing: 0, surplus: 0, taken: 0, gone: 0, unusable: 0 }
  let some: { mid: Mid; uidl: string }[] = []
  const flush = async (): Promise<void> => {
    const given = give && some.length > 0 ? await give(some) : undefined
    // Somebody else imports at the same time.
    if (given) tally.taken += some.length - given.size
    tally.matched += given ? given.size : some.length
    some = []
  }
  for await (const message of messages) {
    const uidl = message.uidl ?? format(message, header.uidvalidity)
    const verdict = verdictOn(message.digests, uidl, matcher)
    if (typeof verdict === 'string') tally[verdict]++
    else if (verdict.kind !== 'matched') tally[verdict.kind]++
    else {
      if (verdict.alike) tally.alike++
      some.push({ mid: verdict.mid, uidl })
      if (some.length === STEP) await flush()
    }
  }
  await flush()
  return tally
}

function verdictOn(digests: readonly Buffer[] | undefined, uidl: string, matcher: Matcher): Verdict | 'gone' | 'unusable' {
  if (!isUsable(uidl)) return 'unusable'
  return digests ? matcher.take(digests, uidl) : 'gone'
}

function report(
  out: (text: string) => void,
  { tally, matcher, folder, dryRun }: { tally: Tally; matcher: Matcher; folder: string; dryRun: boolean },
): void {
  const { matched, had, alike, missing, surplus, taken, gone, unusable } = tally
  out(`${dryRun ? 'Would be matched' : 'Matched'}: ${matched}${had > 0 ? `, and ${had} that had their unique-id already` : ''}.`)
  if (alike > 0) out(`Ambiguous: ${alike} of these are octet for octet like another message; they were taken in the order of their UIDs.`)
  const not: [number, string][] = [
    [missing, `have octets that no message in ${folder} has`],
    [surplus, `are octet for octet like another message, of which there are fewer in ${folder}`],
    [gone, 'are in the list, but their file is gone or cannot be read'],
    [taken, 'have a unique-id that another message of this user has'],
    [unusable, 'have a unique-id that cannot be used: not 1 to 70 printable characters, or one such as Postern makes'],
  ]
  out(`Not matched: ${not.reduce((sum, [n]) => sum + n, 0)}.`)
  for (const [n, why] of not) if (n > 0) out(`  ${n} ${why}`)
  out(`Of ${matcher.count} messages in ${folder} ${matcher.withOne} ${dryRun ? 'would have' : 'have'} an imported unique-id.`)
}
