/** A command that takes long: how far it is, and the one place where it lets others go first and sees whether anybody still waits for it. */
import type { Output } from '../net/output.ts'
import { Turns } from './fetch/turns.ts'
import { Bye } from './reply.ts'

export interface WorkContext {
  /** Asked now and then whether anybody still waits for the answer. */
  readonly output: Pick<Output, 'flush'>
  readonly ending: AbortSignal
}

export class Work {
  readonly #context: WorkContext
  readonly #turns = new Turns()
  /** Messages that were dealt with, of those that are known to need it so far. */
  done = 0
  total = 0

  constructor(context: WorkContext) {
    this.#context = context
  }

  /** `pass` is due. */
  get over(): boolean {
    return this.#turns.over
  }

  /** The others' turn. Throws Disconnected, or Bye when the session is to end. */
  async pass(): Promise<void> {
    const { output, ending } = this.#context
    await this.#turns.pass()
    if (ending.aborted) throw new Bye(String(ending.reason))
    await output.flush()
  }
}
