/** What went wrong, in one sentence, and the exit code it has. */
import { BadFlag } from '../config/places.ts'
import { fileFault } from '../file-faults.ts'
import { Usage } from './args.ts'

export const DONE = 0
export const REFUSED = 1
export const MISUSED = 2

/** By name: a short command need not load the server to know its errors. */
const MEANT_FOR_PEOPLE = new Set(['ConfigRefused', 'TlsRefused', 'Refused', 'EmbeddedRefused', 'ArchiveRefused', 'RestoreRefused'])

export function failure(error: unknown): { readonly code: number; readonly text: string; readonly expected: boolean } {
  if (error instanceof Usage || error instanceof BadFlag)
    return { code: MISUSED, text: `postern: ${error.message}\nTry "postern help".`, expected: true }
  const expected = error instanceof Error && MEANT_FOR_PEOPLE.has(error.name)
  return { code: REFUSED, text: `postern: ${wordsOf(error)}`, expected }
}

/** A failed connection to several addresses has its words inside. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return wordsOf(error.errors[0])
  return fileFault(error) ?? (error instanceof Error ? error.message || error.name : String(error))
}
