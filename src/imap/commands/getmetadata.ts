import type { MetadataEntry, MetadataQuery, NotedOf } from '../../store/metadata.ts'
import { command, LOGGED_IN } from '../command.ts'
import { type Asked, answer, entryNames, isMeant, known, SPECIAL_USE, writeMetadata } from '../metadata.ts'
import { Bad } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import { ArgumentReader } from '../wire/read.ts'

type Options = Partial<Pick<MetadataQuery, 'depth' | 'maxSize'>>

interface GetArgs {
  readonly name: string
  readonly asked: Asked
  readonly query: MetadataQuery
}

/** GETMETADATA: what is noted of a mailbox, or of the server where its name is empty. RFC 5464 §4.2. */
export const getmetadata = command({
  names: ['GETMETADATA'],
  rfc: 'RFC 5464 §4.2',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'METADATA',
  announce: LOGGED_IN,
  parse: (r) => parse(r),
  async run(s, { name, asked, query }) {
    const said = answer(asked, query, await find(s, name, query))
    writeMetadata(s, name, said)
    return { ok: 'GETMETADATA completed', ...(said.left > 0 && { code: ['METADATA', 'LONGENTRIES', said.left] as const }) }
  },
})

/** The RFC's grammar has the options before the mailbox, its examples behind; clients do both. */
function parse(r: ArgumentReader): GetArgs {
  const before = r.next === 'list' ? r.list(options) : undefined
  const name = r.mailbox()
  const node = r.any()
  const one = new ArgumentReader([node])
  if (before && r.more) throw new Bad('Too many arguments')
  const { depth = 0, maxSize } = before ?? (r.more ? one.list(options) : {})
  const asked = entryNames(one.more ? one : r)
  return { name, asked, query: { entries: [...asked.keys()], depth, maxSize } }
}

function options(r: ArgumentReader): Options {
  let found: Options = {}
  do {
    const name = r.word(['MAXSIZE', 'DEPTH'])
    const option = name === 'MAXSIZE' ? { maxSize: r.number() } : { depth: depthOf(r.word(['0', '1', 'INFINITY'])) }
    if (Object.keys(option).some((key) => key in found)) throw new Bad('Option given twice')
    found = { ...found, ...option }
  } while (r.more)
  return found
}

const depthOf = (word: '0' | '1' | 'INFINITY'): MetadataQuery['depth'] => (word === 'INFINITY' ? 'infinity' : word === '1' ? 1 : 0)

async function find(s: AuthenticatedSession, name: string, query: MetadataQuery): Promise<MetadataEntry[]> {
  if (name === '') return [...(await noted(s, 'server', query)), ...known(s, query, undefined)]
  const { account, mailbox } = await s.store.open(s.access, name, false, 'l', 'r')
  const found = await noted(s, { account, id: mailbox }, query)
  if (!isMeant(SPECIAL_USE, query)) return found
  const info = (await s.store.mailboxes(s.access)).find((one) => one.account === account && one.id === mailbox)
  return info ? [...found, ...known(s, query, info)] : found
}

const noted = async (s: AuthenticatedSession, of: NotedOf, query: MetadataQuery): Promise<MetadataEntry[]> =>
  (await s.store.metadata(s.access, [of], query))[0]!
