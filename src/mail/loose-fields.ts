/** A header block as its most careless reader may take it: for what must be seen by nobody, or by everybody once. */

const LF = 10

export interface LooseField {
  readonly at: number
  readonly next: number
  /** Each octet a character, with all line ends. */
  readonly text: string
}

/** Lines with those that continue them, whether they are fields or not. */
export function* looseFields(block: Buffer): Generator<LooseField> {
  for (let at = 0; at < block.length; ) {
    let next = at
    do {
      const lf = block.indexOf(LF, next)
      next = lf < 0 ? block.length : lf + 1
    } while (block[next] === 0x20 || block[next] === 0x09)
    yield { at, next, text: block.toString('latin1', at, next) }
    at = next
  }
}
