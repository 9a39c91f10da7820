import { MAX_VALUE, type MetadataChange, type NotedOf } from '../../store/metadata.ts'
import type { AccountId, SpecialUse } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { specialUseOf } from '../extensions/create-special-use.ts'
import { entryName, isRoot, isShared, MAX_ASKED, SPECIAL_USE } from '../metadata.ts'
import { Bad, No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import type { ArgumentReader } from '../wire/read.ts'

type Values = ReadonlyMap<string, Buffer | undefined>

/** SETMETADATA: notes something of a mailbox, or of the server where its name is empty; NIL takes an entry away. All of it or nothing. RFC 5464 §4.3. */
export const setmetadata = command({
  names: ['SETMETADATA'],
  rfc: 'RFC 5464 §4.3',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'METADATA',
  announce: LOGGED_IN,
  parse: (r) => ({ name: r.mailbox(), values: r.list(values) }),
  async run(s, { name, values }) {
    const of = await place(s, name, values)
    const change: MetadataChange = of === 'server' || !values.has(SPECIAL_USE) ? { entries: values } : withSpecialUse(s, of.account, values)
    const changed = await s.store.setMetadata(s.access, of, change)
    s.notifier?.entries.wrote(of, changed, change.specialUse)
    return { ok: 'SETMETADATA completed' }
  },
})

function values(r: ArgumentReader): Values {
  const found = new Map<string, Buffer | undefined>()
  do {
    const entry = entryName(r).toLowerCase()
    if (isRoot(entry)) throw new Bad('Invalid entry name')
    if (found.has(entry)) throw new Bad('Entry given twice')
    found.set(entry, r.value())
    if (found.size > MAX_ASKED) throw new Bad('Too many entries')
  } while (r.more)
  if ([...found.values()].some((value) => value && value.length > MAX_VALUE)) throw new No(['METADATA', 'MAXSIZE', MAX_VALUE], 'Value too long')
  return found
}

/** It is the mailbox's own attribute, and so its owner's to give. */
function withSpecialUse(s: AuthenticatedSession, owner: AccountId, values: Values): MetadataChange {
  if (owner !== s.access.account) throw new No('NOPERM', 'Only the owner gives a mailbox its special use')
  return { entries: new Map([...values].filter(([entry]) => entry !== SPECIAL_USE)), specialUse: useOf(values.get(SPECIAL_USE)) }
}

/** What all see of the server is the configuration's to say. */
async function place(s: AuthenticatedSession, name: string, values: Values): Promise<NotedOf> {
  const forAll = [...values.keys()].some(isShared)
  if (name === '') {
    if (forAll) throw new No('NOPERM', 'Only the configuration says what all see of the server')
    return 'server'
  }
  const { account, mailbox } = await s.store.open(s.access, name, forAll)
  return { account, id: mailbox }
}

/** A list of attributes, as LIST writes them. RFC 6154 §5. */
function useOf(value: Buffer | undefined): SpecialUse | 'none' {
  const names = value?.toString('latin1').trim() ?? ''
  return (
    specialUseOf(
      new Set(
        names
          .toLowerCase()
          .split(/ +/)
          .filter((one) => one !== ''),
      ),
    ) ?? 'none'
  )
}
