/** What went wrong, in one sentence, and the exit code it has. */
import { ConfigRefused } from '../config/complain.ts'
import { BadFlag } from '../config/places.ts'
import { TlsRefused } from '../net/tls.ts'
import { Refused } from '../serve/refused.ts'
import { EmbeddedRefused } from '../store/pg/embedded.ts'
import { Usage } from './args.ts'

export const DONE = 0
export const REFUSED = 1
export const MISUSED = 2

const MEANT_FOR_PEOPLE = [ConfigRefused, TlsRefused, Refused, EmbeddedRefused]

export function failure(error: unknown): { readonly code: number; readonly text: string; readonly expected: boolean } {
  if (error instanceof Usage || error instanceof BadFlag)
    return { code: MISUSED, text: `postern: ${error.message}\nTry "postern help".`, expected: true }
  const expected = MEANT_FOR_PEOPLE.some((kind) => error instanceof kind)
  return { code: REFUSED, text: `postern: ${wordsOf(error)}`, expected }
}

/** A failed connection to several addresses has its words inside. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return wordsOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}
