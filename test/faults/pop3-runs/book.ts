/** One account's letters, and what clients asked to be done with them: settled by an answer, or in doubt for ever. Pure. */
import type { LoadMessage } from '../../support/ledger.ts'
import type { Tally } from '../../support/tally.ts'
import type { Rule } from './rules.ts'

/** `doubt`: the connection or the process ended before the answer. */
export type Outcome = 'done' | 'refused' | 'doubt'

export interface Letter {
  readonly message: LoadMessage
  /** The mailbox that it came to. */
  readonly home: string
  arrived: Outcome
  /** On the book's clock. */
  arrivedAt: number
}

/** `gone`, `move`: it leaves its home. `hide`, `seen`, `flag`: it gets a flag there. */
export type Act =
  | { readonly kind: 'gone' | 'hide' | 'seen' | 'flag'; readonly token: string }
  | { readonly kind: 'move'; readonly token: string; readonly to: string }

export const FLAG_OF = { hide: '$POP3Deleted', seen: '\\Seen', flag: '\\Flagged' } as const

/** What one command does, all or nothing: a QUIT, a MOVE, a STORE, an EXPUNGE. */
export class Deed {
  readonly by: string
  readonly from: string
  readonly acts: readonly Act[]
  outcome: Outcome = 'doubt'
  settledAt = Number.POSITIVE_INFINITY
  /** Another session was in the maildrop after it and found it not done: it may not be done any more. */
  isDoomed = false

  constructor(by: string, from: string, acts: readonly Act[]) {
    this.by = by
    this.from = from
    this.acts = acts
  }
}

export const leaves = ({ kind }: Act): boolean => kind === 'gone' || kind === 'move'
/** What it was done to is in no maildrop any more. */
const isUnshown = (act: Act): boolean => leaves(act) || act.kind === 'hide'

export class Book {
  readonly letters = new Map<string, Letter>()
  readonly deeds: Deed[] = []
  /** Unique-id → token, and back. */
  readonly #tokens = new Map<string, string>()
  readonly #ids = new Map<string, string>()
  readonly #tally: Tally<Rule>
  #clock = 0

  constructor(tally: Tally<Rule>) {
    this.#tally = tally
  }

  now(): number {
    return ++this.#clock
  }

  letter(message: LoadMessage, home: string, arrived: Outcome): Letter {
    const letter = { message, home, arrived, arrivedAt: this.now() }
    this.letters.set(message.token, letter)
    return letter
  }

  arrived(letter: Letter): void {
    letter.arrived = 'done'
    letter.arrivedAt = this.now()
  }

  /** Sent, not answered. */
  begin(by: string, from: string, acts: readonly Act[]): Deed {
    const deed = new Deed(by, from, acts)
    this.deeds.push(deed)
    return deed
  }

  settle(deed: Deed, outcome: Outcome): void {
    const { by, isDoomed } = deed
    this.#tally.check('whole', !(isDoomed && outcome === 'done'), () => `${by} was told that it is done after another session had found it undone`)
    if (isDoomed && outcome === 'doubt') outcome = 'refused'
    deed.outcome = outcome
    deed.settledAt = this.now()
  }

  tokenOf(id: string): string | undefined {
    return this.#tokens.get(id)
  }

  /** A session was shown the message under this id. */
  named(id: string, token: string, by: string): void {
    const [before, idBefore] = [this.#tokens.get(id), this.#ids.get(token)]
    this.#tally.check('names', before === undefined || before === token, () => `${by}: ${id} is ${token}, it was ${before}`)
    this.#tally.check('names', idBefore === undefined || idBefore === id, () => `${by}: ${token} is ${id}, it was ${idBefore}`)
    this.#tokens.set(id, token)
    this.#ids.set(token, id)
  }

  /** A session of `by` was let into the maildrop at the earliest at `from`, and shown these, `all` that there are. Deeds of other sessions of the maildrop that are in doubt are decided by it. */
  shown(by: string, { box, tokens, from, all }: { box: string; tokens: ReadonlySet<string>; from: number; all: boolean }): void {
    for (const deed of this.deeds) {
      if (deed.from !== box || deed.outcome === 'refused') continue
      const taken = deed.acts.filter(isUnshown).map(({ token }) => token)
      const back = taken.filter((token) => tokens.has(token))
      if (deed.outcome === 'done' && deed.settledAt < from)
        this.#tally.check('stays', back.length === 0, () => `${by} is shown ${back}, which ${deed.by} was told are away`)
      // Of IMAP's nothing is decided by a maildrop: it needs no lock.
      if (deed.outcome !== 'doubt' || deed.by.startsWith('imap') || back.length === 0) continue
      const missing = taken.filter((token) => all && !tokens.has(token) && this.#others(deed, token).length === 0)
      const told = () => missing.map((token) => `${token} (${this.storyOf(token)})`).join(', ')
      this.#tally.check('whole', missing.length === 0, () => `${by} is shown ${back} and not ${told()}, of what ${deed.by} took`)
      deed.isDoomed = true
      if (deed.settledAt < from) deed.outcome = 'refused'
    }
    if (!all) return
    for (const { message, home, arrived, arrivedAt } of this.letters.values()) {
      if (home !== box || arrived !== 'done' || arrivedAt > from) continue
      const touched = this.deeds.some(
        (deed) => deed.outcome !== 'refused' && deed.acts.some(({ token, kind }) => token === message.token && kind !== 'flag'),
      )
      this.#tally.check('read', touched || tokens.has(message.token), () => `${by} is not shown ${message.token}`)
    }
  }

  /** Who did what with it, in words. */
  storyOf(token: string): string {
    const lines = this.deeds.flatMap(({ by, outcome, acts, isDoomed }) =>
      acts
        .filter((act) => act.token === token)
        .map((act) => `${by} ${act.kind}${act.kind === 'move' ? ` to ${act.to}` : ''} ${outcome}${isDoomed ? ' and found undone' : ''}`),
    )
    return lines.join(', ') || 'nobody touched it'
  }

  /** Deeds beside this one that may have taken the letter out of the maildrop. */
  #others(deed: Deed, token: string): Deed[] {
    return this.deeds.filter((one) => one !== deed && one.outcome !== 'refused' && one.acts.some((act) => act.token === token && isUnshown(act)))
  }
}
