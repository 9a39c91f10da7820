/** What rspamd says about a message: the JSON of /checkv2. */
import { sanitise } from '../reply.ts'
import type { Verdict, Wanted } from './scanner.ts'

/** Symbols that the header names: those that count the most. Most of them count nothing. */
export const MAX_SYMBOLS = 40
/** Characters of a symbol's name. */
const MAX_SYMBOL = 64
/** Characters of its own words in a reply. */
const MAX_WORDS = 200

/** Actions of rspamd, with what they come to here: what it would have put aside or dropped is junk, since nothing that was accepted is dropped. */
const ACTIONS: ReadonlyMap<string, Wanted> = new Map([
  ['no action', 'nothing'],
  ['greylist', 'greylist'],
  ['add header', 'junk'],
  ['rewrite subject', 'junk'],
  ['quarantine', 'junk'],
  ['discard', 'junk'],
  ['soft reject', 'later'],
  ['reject', 'reject'],
])

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)
const two = (value: number): string => (Math.abs(value) < 1e6 ? value.toFixed(2) : value.toExponential(2))

/** Throws with words. */
export function verdictOf(text: string): Verdict {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    throw new Error('its answer is no JSON')
  }
  if (!isObject(said)) throw new Error('its answer is no verdict')
  if (typeof said['error'] === 'string') throw new Error(`it says: ${sanitise(said['error'])}`)
  const { action, score: scored, required_score: required, symbols, messages } = said
  const wanted = typeof action === 'string' ? ACTIONS.get(action) : undefined
  if (wanted === undefined) throw new Error(typeof action === 'string' ? `its action is unknown: ${sanitise(action)}` : 'its answer has no action')
  const [score, limit] = [numberOf(scored), numberOf(required)]
  if (score === undefined) throw new Error('its answer has no score')
  const shown = [`${action}`, `score=${two(score)}${limit === undefined ? '' : `/${two(limit)}`}`, ...symbolsOf(symbols)]
  return { wanted, shown, reason: reasonOf(wanted, messages) }
}

function symbolsOf(symbols: unknown): string[] {
  if (!isObject(symbols)) return []
  const all = Object.entries(symbols).map(([name, one]) => ({ name, score: (isObject(one) && numberOf(one['score'])) || 0 }))
  const first = all
    .filter(({ score }) => score !== 0)
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
    .slice(0, MAX_SYMBOLS)
  return first.map(({ name, score }) => `${name.slice(0, MAX_SYMBOL).replace(/[^\w.:-]/g, '_')}(${two(score)})`)
}

function reasonOf(wanted: Wanted, messages: unknown): string {
  const words = isObject(messages) && typeof messages['smtp_message'] === 'string' ? sanitise(messages['smtp_message'].slice(0, MAX_WORDS)) : ''
  if (wanted === 'reject') return `The message is taken for spam${words && `: ${words}`}`
  return `The message is not taken now, try again later${words && `: ${words}`}`
}
