/** Annotations as one session was told of them, and METADATA without values when they change. RFC 5465 §5.6, §5.7; RFC 5464 §4.4.2. */
import type { MailboxInfo } from '../../store/mailstore.ts'
import { GONE, type MetadataChange, type MetadataVersions, type NotedOf } from '../../store/metadata.ts'
import { SPECIAL_USE, writeEntries } from '../metadata.ts'
import type { AuthenticatedSession } from '../session.ts'
import { keyOf } from './changes.ts'

/** Octets of the names that one session remembers. */
const MAX_REMEMBERED = 512 * 1024

/** One that is watched; the server has no mailbox. */
export type Noted = MailboxInfo | 'server'
const idOf = (of: Noted): string => (of === 'server' ? of : keyOf(of))

export class Entries {
  readonly #s: AuthenticatedSession
  /** By mailbox, the entries there are, each with its version. */
  #known = new Map<string, Map<string, string>>()

  constructor(s: AuthenticatedSession) {
    this.#s = s
  }

  /** Tells of what changed since the last look; of nothing at the first one. false: there is more than a session may watch. */
  async look(on: readonly Noted[], isFirst: boolean): Promise<boolean> {
    const { store, access } = this.#s
    const found = on.length === 0 ? [] : await store.metadataVersions(access, on)
    const before = this.#known
    this.#known = new Map()
    let octets = 0
    on.forEach((of, i) => {
      const now = versionsOf(of, found[i]!)
      this.#known.set(idOf(of), now)
      for (const entry of now.keys()) octets += entry.length
      // Of a mailbox that is new here the client knows no entry yet.
      if (!isFirst) this.#tell(of, before.get(idOf(of)) ?? new Map(), now)
    })
    return octets <= MAX_REMEMBERED
  }

  /** The client's own changes, which it need not be told of; also of a mailbox that it made since the last look. */
  wrote(of: NotedOf, changed: MetadataVersions, specialUse?: MetadataChange['specialUse']): void {
    const id = of === 'server' ? of : `${of.account}/${of.id}`
    const known = this.#known.get(id) ?? new Map<string, string>()
    this.#known.set(id, known)
    for (const [entry, version] of [...changed, ...(specialUse ? [[SPECIAL_USE, specialUse === 'none' ? GONE : specialUse] as const] : [])])
      if (version === GONE) known.delete(entry)
      else known.set(entry, version)
  }

  #tell(of: Noted, before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): void {
    const changed = [...now].filter(([entry, version]) => before.get(entry) !== version).map(([entry]) => entry)
    const gone = [...before.keys()].filter((entry) => !now.has(entry))
    writeEntries(this.#s, of === 'server' ? '' : of.name, [...changed, ...gone])
  }
}

/** A special use is an entry too, which the store knows as what the mailbox is. */
function versionsOf(of: Noted, found: MetadataVersions): Map<string, string> {
  const versions = new Map(found)
  if (of !== 'server' && of.specialUse !== undefined) versions.set(SPECIAL_USE, of.specialUse)
  return versions
}
