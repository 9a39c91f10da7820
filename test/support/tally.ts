/** Counts of what was checked and what was violated, by invariant (docs/architecture.md, "What always holds"). */

export const INVARIANTS = {
  I1: 'acknowledged is stored, with its octets and flags',
  I2: 'once per recipient mailbox, also when sent again',
  I3: 'a UID names the same octets for ever; UIDs in order of commit',
  I4: 'modseq never falls; who followed sees what a fresh load sees',
  I5: 'bytes and counters equal a recount',
  I6: 'expunged stays expunged',
  I7: 'outbound is sent at least once',
  I9: "a bystander's NOOP stays under 100 ms (p99)",
  I10: 'no octet of one account is seen by another, unless it is shared at that moment',
} as const
export type Invariant = keyof typeof INVARIANTS

const KEPT = 8

interface Count {
  checked: number
  violated: number
  readonly kept: string[]
}

export class Tally<Name extends string = Invariant> {
  readonly #rules: Readonly<Record<string, string>>
  readonly #counts = new Map<Name, Count>()

  /** By name, what holds: the invariants, if absent. */
  constructor(rules?: Readonly<Record<Name, string>>) {
    this.#rules = rules ?? INVARIANTS
  }

  check(name: Name, holds: boolean, what: () => string): void {
    const count = this.#of(name)
    count.checked++
    if (holds) return
    count.violated++
    if (count.kept.length < KEPT) count.kept.push(what())
  }

  checked(name: Name): number {
    return this.#of(name).checked
  }
  violated(name: Name): number {
    return this.#of(name).violated
  }
  get violations(): number {
    return [...this.#counts.values()].reduce((sum, { violated }) => sum + violated, 0)
  }

  /** A line per invariant, then the first violations of each. */
  table(): string {
    const names = Object.keys(this.#rules) as Name[]
    const row = (name: string, checked: string, violated: string, words: string) =>
      `  ${name.padEnd(4)} ${checked.padStart(9)} ${violated.padStart(10)}  ${words}`.trimEnd()
    return [
      row('', 'checked', 'violations', ''),
      ...names.map((name) => row(name, `${this.checked(name)}`, `${this.violated(name)}`, this.#rules[name]!)),
      ...names.flatMap((name) => this.#of(name).kept.map((what) => `  ${name}: ${what}`)),
    ].join('\n')
  }

  #of(name: Name): Count {
    let count = this.#counts.get(name)
    if (!count) this.#counts.set(name, (count = { checked: 0, violated: 0, kept: [] }))
    return count
  }
}
