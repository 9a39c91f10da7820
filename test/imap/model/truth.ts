/** A mailbox as simple as it can be written down: what the server's must come to, change by change. */

export interface Message {
  flags: ReadonlySet<string>
  modseq: number
}
export type Mode = 'add' | 'remove' | 'replace'

export class Truth {
  readonly messages = new Map<number, Message>()
  uidnext = 1
  modseq = 1

  get uids(): number[] {
    return [...this.messages.keys()]
  }
  /** Those of the numbers that are UIDs of messages, ascending. */
  present(uids: readonly number[]): number[] {
    return [...new Set(uids)].filter((uid) => this.messages.has(uid)).sort((a, b) => a - b)
  }

  append(flags: Iterable<string> = [], count = 1): void {
    this.modseq++
    for (let i = 0; i < count; i++) this.messages.set(this.uidnext++, { flags: new Set(flags), modseq: this.modseq })
  }

  /** Returns those that were left alone. */
  store(uids: readonly number[], mode: Mode, names: readonly string[], unchangedSince = Number.POSITIVE_INFINITY): number[] {
    const modified: number[] = []
    const changes: [Message, Set<string>][] = []
    for (const uid of this.present(uids)) {
      const message = this.messages.get(uid)!
      if (message.modseq > unchangedSince) {
        modified.push(uid)
        continue
      }
      const flags = changed(message.flags, mode, names)
      if (!same(flags, message.flags)) changes.push([message, flags])
    }
    if (changes.length > 0) this.modseq++
    for (const [message, flags] of changes) Object.assign(message, { flags, modseq: this.modseq })
    return modified
  }

  expunge(uids: readonly number[]): void {
    const doomed = this.present(uids).filter((uid) => this.messages.get(uid)!.flags.has('\\Deleted'))
    this.#remove(doomed)
  }

  /** Into the same mailbox. */
  copy(uids: readonly number[]): void {
    const found = this.present(uids)
    if (found.length === 0) return
    this.modseq++
    for (const uid of found) this.messages.set(this.uidnext++, { flags: new Set(this.messages.get(uid)!.flags), modseq: this.modseq })
  }
  move(uids: readonly number[], into: 'same' | 'other'): void {
    const found = this.present(uids)
    if (into === 'same') this.copy(found)
    this.#remove(found)
  }

  #remove(uids: readonly number[]): void {
    if (uids.length > 0) this.modseq++
    for (const uid of uids) this.messages.delete(uid)
  }
}

export function changed(flags: ReadonlySet<string>, mode: Mode, names: readonly string[]): Set<string> {
  const set = new Set(mode === 'replace' ? [] : flags)
  for (const name of names) {
    if (mode === 'remove') set.delete(name)
    else set.add(name)
  }
  return set
}

export const same = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.size === b.size && [...a].every((flag) => b.has(flag))

/** `1:3,7` → [1, 2, 3, 7]. */
export function numbersOf(set: string): number[] {
  return set.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split(':').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}
