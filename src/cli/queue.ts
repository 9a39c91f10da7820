/** `postern queue …`: mail that waits for other servers, seen and moved on by hand. With the server running or not. */
import { findPlaces } from '../config/places.ts'
import { silentLog } from '../log.ts'
import { canonicalDomain } from '../mail/address.ts'
import { formatDate } from '../mail/date.ts'
import { Refused } from '../serve/refused.ts'
import { Pool } from '../store/pg/pool.ts'
import { accountOf } from '../store/pg/pop-uidl.ts'
import { drop, hold, list, release, retry } from '../store/pg/queue/admin.ts'
import type { QueueEntry, QueueQuery } from '../store/queue.ts'
import type { ContentId } from '../store/types.ts'
import { type Arguments, type Command, type Surroundings, Usage } from './args.ts'
import { withDatabase } from './backup/database.ts'
import { DONE } from './failure.ts'
import { addressIn } from './mailbox-file.ts'

/** Recipients that a list shows. */
const MAX_LISTED = 1_000

export const queue: Command = {
  name: 'queue',
  usage: [
    'queue list [--domain DOMAIN] [--from ADDRESS]',
    'queue show MESSAGE',
    'queue hold MESSAGE | --domain DOMAIN | --from ADDRESS | --all',
    'queue release …',
    'queue retry …',
    'queue drop … [--tell]',
  ],
  summary: 'see the mail that waits for other servers, hold it back, let it go, try it now, or give it up (--tell: and tell its sender)',
  takes: ['domain', 'from', 'all', 'tell'],
  async run(args, around) {
    const [, verb = '', id, ...more] = args.words
    const known = VERBS.get(verb)
    if (!known) throw new Usage(`queue is followed by one of ${[...VERBS.keys()].join(', ')}`)
    if (more.length > 0) throw new Usage('queue takes one message at a time')
    if (args.tell && verb !== 'drop') throw new Usage('--tell is for queue drop')
    const places = findPlaces(args.flags, around.env, around.cwd)
    return withDatabase({ places, env: around.env }, async (connect) => {
      const pool = new Pool({ connect, max: 1, log: silentLog() })
      try {
        await known({ pool, args, around, which: await whichOf(args, id, pool) })
        return DONE
      } finally {
        await pool.close()
      }
    })
  },
}

interface Doing {
  readonly pool: Pool
  readonly args: Arguments
  readonly around: Surroundings
  readonly which: Omit<QueueQuery, 'limit'>
}

const VERBS: ReadonlyMap<string, (doing: Doing) => Promise<void>> = new Map([
  ['list', listing],
  ['show', showing],
  ['hold', changing(({ pool, which }) => hold(pool, which), 'held back')],
  ['release', changing(({ pool, which }) => release(pool, which), 'let go')],
  ['retry', changing(({ pool, which }) => retry(pool, which), 'due now')],
  ['drop', changing(({ pool, which, args }) => drop(pool, which, args.tell), 'given up')],
])

const NONE = 'there is no such message in the queue'

async function whichOf({ domain, from, all }: Arguments, id: string | undefined, pool: Pool): Promise<Omit<QueueQuery, 'limit'>> {
  if ([id, domain, from, all || undefined].filter((one) => one !== undefined).length > 1)
    throw new Usage('a message, --domain, --from or --all: one of them')
  const account = from === undefined ? undefined : await accountOf(pool, addressIn(from))
  if (from !== undefined && account === undefined) throw new Refused(`there is no mailbox ${from} in the database`)
  const where = domain === undefined ? undefined : canonicalDomain(domain)
  if (domain !== undefined && where === undefined) throw new Usage(`${domain} is no domain`)
  return { message: id === undefined ? undefined : messageIn(id), domain: where, account }
}

/** As it stands in the server's 250 and in the log: the last word of it, in base 36. */
function messageIn(text: string): ContentId {
  if (!/^[0-9a-z]{1,13}$/.test(text)) throw new Usage(`${text} is no message of the queue: "queue list" has them in its first column`)
  let id = 0n
  for (const digit of text) id = id * 36n + BigInt(Number.parseInt(digit, 36))
  return id as ContentId
}

async function listing({ pool, which, args, around: { out } }: Doing): Promise<void> {
  if (args.words.length > 2 || args.all) throw new Usage('queue list takes --domain or --from')
  const entries = await list(pool, { ...which, limit: MAX_LISTED })
  for (const entry of entries) out([entry.message.toString(36), entry.state, entry.address, whenOf(entry), entry.said].join('\t').trimEnd())
  const more = entries.length === MAX_LISTED ? `the first ${MAX_LISTED}` : `${entries.length}`
  const messages = new Set(entries.map(({ message }) => message)).size
  out(`${more} recipient${entries.length === 1 ? '' : 's'}, ${messages} message${messages === 1 ? '' : 's'}`)
}

const whenOf = ({ state, due, heldUntil }: QueueEntry): string =>
  heldUntil !== undefined ? `held until ${new Date(heldUntil).toISOString()}` : state === 'waiting' ? new Date(due).toISOString() : ''

async function showing({ pool, which, around: { out } }: Doing): Promise<void> {
  if (which.message === undefined) throw new Usage('queue show takes a message')
  const entries = await list(pool, { ...which, limit: MAX_LISTED })
  const [first] = entries
  if (!first) throw new Refused(NONE)
  out(`message     ${first.message.toString(36)}`)
  out(`of          ${first.from}`)
  out(`from        <${first.reversePath}>`)
  out(`octets      ${first.size}`)
  out(`queued      ${formatDate(first.queued)}`)
  out(`tried until ${formatDate(first.expires)}`)
  for (const { address, state, attempts, due, heldUntil, status, said, remote } of entries) {
    out(`\nto          ${address}`)
    out(`state       ${state}, ${attempts} attempt${attempts === 1 ? '' : 's'}`)
    if (heldUntil !== undefined) out(`held until  ${formatDate(heldUntil)}`)
    else if (state === 'waiting') out(`due         ${formatDate(due)}`)
    if (said !== '') out(`last        ${[status, remote, said].filter((part) => part !== '').join('  ')}`)
  }
}

function changing(change: (doing: Doing) => Promise<number>, done: string): (doing: Doing) => Promise<void> {
  return async (doing) => {
    const { pool, which, args, around } = doing
    if (!args.all && which.message === undefined && which.domain === undefined && which.account === undefined)
      throw new Usage(`queue ${args.words[1]} takes a message, --domain, --from or --all`)
    const count = await change(doing)
    if (count === 0 && which.message !== undefined && (await list(pool, { ...which, limit: 1 })).length === 0) throw new Refused(NONE)
    around.out(`${count} recipient${count === 1 ? '' : 's'} ${done}.`)
  }
}
