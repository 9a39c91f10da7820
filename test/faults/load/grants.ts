/**
 * What one user was given of another's mailbox, by the words of the one who gave: which rights there may be, and which there must be, between two moments. Every change is
 * sent after the one before was answered, or given up. One whose answer was lost may count at any time, and even after later ones: a process that stood still goes on.
 */

/** A change that was given up counts within this time, or never. Longer than any statement may take, and any fault that holds a process still. Milliseconds. */
export const DOUBT_MS = 30_000

interface Change {
  readonly rights: string
  readonly sent: number
  answered: number | undefined
}

export class Grants {
  /** None is given or taken any more. */
  areKept = false
  /** Commands of the guest that did what they were to do, and that were refused for a right. */
  readonly answers = { allowed: 0, refused: 0 }
  readonly #changes: Change[] = [{ rights: '', sent: Number.NEGATIVE_INFINITY, answered: Number.NEGATIVE_INFINITY }]

  /** The rights are sent now; what is returned is to be called with the answer's arrival. */
  change(rights: string, sent = performance.now()): { done(at?: number): void; refused(): void } {
    const change: Change = { rights, sent, answered: undefined }
    this.#changes.push(change)
    return {
      done: (at = performance.now()) => {
        change.answered = at
      },
      refused: () => void this.#changes.splice(this.#changes.indexOf(change), 1),
    }
  }

  /** It may have been there at some moment of these. */
  may(right: string, from: number, to = performance.now()): boolean {
    return this.#within(from, to).some(({ rights }) => rights.includes(right))
  }
  /** It was there all the time. */
  must(right: string, from: number, to = performance.now()): boolean {
    return this.#within(from, to).every(({ rights }) => rights.includes(right))
  }

  #within(from: number, to: number): Change[] {
    return this.#changes.filter((change, i) => change.sent <= to && this.#end(change, i) >= from)
  }

  /** When it counts no more: a later one was answered, that cannot have come before it. */
  #end({ sent, answered }: Change, i: number): number {
    const later = this.#changes.slice(i + 1)
    const next = later.find((one) => one.answered !== undefined && (answered !== undefined || one.sent >= sent + DOUBT_MS))
    return next?.answered ?? Number.POSITIVE_INFINITY
  }
}
