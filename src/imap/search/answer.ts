/** What a client is told of what a search found: an ESEARCH response, or the SEARCH and SORT of old. RFC 4731 §3.1, RFC 9051 §7.3.4. */
import type { By } from '../command.ts'
import { type Page, pageOf } from '../page.ts'
import type { Selected } from '../selected.ts'
import type { SearchOptions } from '../tables.ts'
import type { ResponseWriter } from '../wire/write.ts'
import type { Found } from './run.ts'
import { writeNumbers, writeScores, writeSet } from './write.ts'

export interface Question {
  readonly tag: string
  readonly by: By
  /** undefined: the response of old. */
  readonly options: Partial<SearchOptions> | undefined
  /** A mod-sequence is to be told. */
  readonly modseq: boolean
  /** Of a mailbox that need not be the selected one: RFC 7377 §2.1. */
  readonly mailbox?: { readonly name: string; readonly uidvalidity: number } | undefined
}

/** `found` in the order of the results: a sort's first is the least, its last the greatest (RFC 5267 §3.1). */
export async function writeFound(
  out: ResponseWriter,
  selected: Selected,
  asked: Question,
  found: Found,
  old: 'SEARCH' | 'SORT' = 'SEARCH',
): Promise<void> {
  const { options, by, tag, mailbox } = asked
  const modseq = asked.modseq && found.msns.length > 0 ? highestModseq(selected, told(found, options).msns) : undefined
  if (!options) return await writeNumbers(out.output, numbersOf(found, by), { name: old, modseq })
  if (isSilent(options)) return
  await writeExtended(out, { tag, by, options, modseq, mailbox }, found)
}

/** SAVE alone suppresses the response: RFC 5182 §1. */
const isSilent = ({ save, ...others }: Partial<SearchOptions>): boolean => save === true && Object.keys(others).length === 0

/** No option at all means ALL: RFC 4731 §3.1. */
const wantsAll = (options: Partial<SearchOptions>): boolean => options.all === true || Object.keys(options).length === 0

interface Extended extends Pick<Question, 'tag' | 'by'> {
  readonly options: Partial<SearchOptions>
  readonly modseq: number | undefined
  readonly mailbox: Question['mailbox']
}

/** Items that nothing was found for are left out, but for COUNT, PARTIAL and RELEVANCY. client: New Outlook wants the tag quoted, so it always is. */
async function writeExtended(out: ResponseWriter, { tag, by, options, modseq, mailbox }: Extended, found: Found): Promise<void> {
  const numbers = numbersOf(found, by)
  const { min, max, count, page } = options
  writeCorrelators(out, { tag, mailbox })
  if (by === 'uid') out.word('UID')
  if (min && numbers.length > 0) out.word('MIN').number(numbers[0]!)
  if (max && numbers.length > 0) out.word('MAX').number(numbers.at(-1)!)
  if (count) out.word('COUNT').number(numbers.length)
  if (modseq !== undefined) out.word('MODSEQ').number(modseq)
  if (page) {
    const { from, to } = pageOf(page, numbers.length)
    out.word('PARTIAL').open().wire(page.written)
    if (from < to) await writeSet(out, numbers.slice(from, to))
    else out.nil()
    out.close()
  } else if (wantsAll(options) && numbers.length > 0) {
    out.word('ALL')
    await writeSet(out, numbers)
  }
  if (options.relevancy && found.scores) await writeScores(out, scoresOf(found.scores, page))
  out.end()
}

/** Of each result that the answer lists, in its order: of a page those that are on it. RFC 6203 §4, §6. */
function scoresOf(scores: readonly number[], page: Page | undefined): readonly number[] {
  if (!page) return scores
  const { from, to } = pageOf(page, scores.length)
  return scores.slice(from, to)
}

/** `* ESEARCH (TAG "a1" MAILBOX "INBOX" UIDVALIDITY 7)`: what the response belongs to; all three where ESEARCH asked. RFC 4466 §2.6.2, RFC 7377 §2.1. */
export function writeCorrelators(out: ResponseWriter, { tag, mailbox }: Pick<Question, 'tag' | 'mailbox'>): void {
  out.untagged().word('ESEARCH').open().word('TAG').string(tag)
  if (mailbox) out.word('MAILBOX').mailbox(mailbox.name).word('UIDVALIDITY').number(mailbox.uidvalidity)
  out.close()
}

/** What `$` names afterwards: RFC 5182 §2.4, RFC 9394 §3.2. */
export function saved(found: Found, options: Partial<SearchOptions>): readonly number[] {
  return told(found, options).uids.toSorted((a, b) => a - b)
}

/** The messages that the answer names; all that were found, where it counts or names them all. RFC 4731 §3.2 asks the same for MODSEQ. */
function told(found: Found, options: Partial<SearchOptions> | undefined): Found {
  if (!options || options.count || options.all || !(options.min || options.max || options.page)) return found
  const places = new Set<number>()
  const last = found.msns.length - 1
  if (options.min && last >= 0) places.add(0)
  if (options.max && last >= 0) places.add(last)
  if (options.page) {
    const { from, to } = pageOf(options.page, found.msns.length)
    for (let place = from; place < to; place++) places.add(place)
  }
  const kept = [...places]
  return { msns: kept.map((place) => found.msns[place]!), uids: kept.map((place) => found.uids[place]!) }
}

const numbersOf = ({ msns, uids }: Found, by: By): readonly number[] => (by === 'uid' ? uids : msns)

function highestModseq({ view }: Selected, msns: readonly number[]): number | undefined {
  let highest = 0
  for (const msn of msns) {
    const { segment, row } = view.placeAt(msn)!
    if (segment.modseqs[row]! > highest) highest = segment.modseqs[row]!
  }
  return highest > 0 ? highest : undefined
}
