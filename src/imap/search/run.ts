/** Carries out a search: over the index in one walk, then over what must be read of the messages that it, and the index of texts, leave open. */
import { canonical } from '../../mail/canonical.ts'
import { unpackParts } from '../../mail/parts.ts'
import { TextCollector } from '../../mail/text.ts'
import { type Place, SEGMENT_ROWS, type Segment } from '../../store/index.ts'
import type { ContentColumn, ContentRow, MailStore } from '../../store/mailstore.ts'
import type { ContentId } from '../../store/types.ts'
import type { Selected } from '../selected.ts'
import type { Work } from '../work.ts'
import { BodyText, type Needle } from './body-text.ts'
import type { SearchGate } from './gate.ts'
import { HeaderText } from './header-text.ts'
import { BODY, HEADER, MAYBE, NARROWED, NO, Rows, type Scope, type SearchKey, YES } from './key.ts'
import { Narrowing } from './narrowing.ts'
import { type Plan, plan } from './plan.ts'
import { type Scorer, scorerOf } from './score.ts'

/** Contents asked of the store in one go; it reads ahead within them. */
const STEP = 1024

export interface SearchContext {
  readonly store: Pick<MailStore, 'contents' | 'read' | 'narrow'>
  readonly selected: Selected
  readonly gate: Pick<SearchGate, 'run'>
  readonly work: Work
}

/** The messages that match, by both of their numbers: message i has the sequence number msns[i] and the UID uids[i]. */
export interface Found {
  readonly msns: readonly number[]
  readonly uids: readonly number[]
  /** How relevant message i is, from 1 to 100, where that was asked for: RFC 6203 §4. */
  readonly scores?: readonly number[]
}

/** Of a message that other keys found where lenient ones have nothing to say, and of any where there are no such keys. */
const LEAST = 1
const MOST = 100

/** Ascending. Throws Disconnected, or Bye when the session ends meanwhile. */
export function runSearch(context: SearchContext, key: SearchKey, scored = false): Promise<Found> {
  return new Search(context, key, scored).run()
}

class Search {
  readonly #context: SearchContext
  /** Texts to be looked for in bodies. */
  readonly #needles: Needle[] = []
  readonly #narrowing = new Narrowing()
  /** Sequence numbers of the messages that the index leaves open; they are called by their places in it from there on. */
  #open: readonly number[] = []
  readonly #plan: Plan
  readonly #scorer: Scorer | undefined
  /** By sequence number. */
  readonly #scores: Map<number, number> | undefined
  readonly #rows = new Rows()
  readonly #verdicts = new Uint8Array(SEGMENT_ROWS)
  readonly #msns: number[] = []
  readonly #uids: number[] = []

  constructor(context: SearchContext, key: SearchKey, scored: boolean) {
    const { view } = context.selected
    this.#context = context
    const scope: Scope = {
      keywords: context.selected.keywords,
      exists: view.exists,
      maxUid: view.maxUid,
      isRecent: (uid) => context.selected.isRecent(uid),
      saved: () => context.selected.saved,
      now: Date.now(),
      needle: (text) => this.#needle(text),
      probe: (probe) => this.#narrowing.column(probe),
    }
    this.#plan = plan(key, scope)
    if (scored) {
      this.#scorer = scorerOf(key, scope)
      this.#scores = new Map()
    }
  }

  async run(): Promise<Found> {
    const { selected, gate } = this.#context
    this.#open = await this.#scan()
    if (this.#open.length > 0) {
      await gate.run(selected.access.account, () => this.#read())
      // UIDs rise with sequence numbers.
      this.#msns.sort(ascending)
      this.#uids.sort(ascending)
    }
    const found = { msns: this.#msns, uids: this.#uids }
    const scores = this.#scores
    return scores ? { ...found, scores: found.msns.map((msn) => scores.get(msn) ?? MOST) } : found
  }

  #hit(msn: number, uid: number): void {
    this.#msns.push(msn)
    this.#uids.push(uid)
  }

  #needle(needle: Needle): number {
    const known = this.#needles.indexOf(needle)
    return known < 0 ? this.#needles.push(needle) - 1 : known
  }

  /** Judges every message of the view by the index alone; returns those that are still open. */
  async #scan(): Promise<number[]> {
    const { work, selected } = this.#context
    const { view } = selected
    const { judge } = this.#plan
    const verdicts = this.#verdicts
    const open: number[] = []
    for (let next = 1; next <= view.exists; ) {
      for (const { segment, from, to, msn } of view.spans('msn', [next, view.exists])) {
        this.#at(segment, from, to, msn)
        judge(this.#rows, verdicts)
        const { uids } = segment
        for (let i = 0; i < to - from; i++) {
          if (verdicts[i] === NO) continue
          if (verdicts[i] === MAYBE || this.#scorer) open.push(msn + i)
          else this.#hit(msn + i, uids[from + i]!)
        }
        next = msn + to - from
        if (work.over) break
      }
      if (work.over) await work.pass()
    }
    return open
  }

  #at(segment: Segment, from: number, to: number, msn: number): void {
    const rows = this.#rows
    rows.segment = segment
    rows.from = from
    rows.to = to
    rows.msn = msn
  }

  async #read(): Promise<void> {
    const { cost, headerFirst } = this.#plan
    const open = await this.#narrow()
    const left = headerFirst ? await this.#stage(open, ['header'], (content) => this.#judgeHeader(content)) : open
    if (cost === BODY) await this.#stage(left, ['header', 'parts', 'body'], (content) => this.#judgeBody(content))
  }

  /** Judges the open messages by the index of texts; returns the places of those that are still open. */
  async #narrow(): Promise<number[]> {
    const { store, selected, work } = this.#context
    const all = Array.from(this.#open, (_, nth) => nth)
    const ids = (from: number, to: number) => this.#ids(all.slice(from, to))
    if (!(await this.#narrowing.fill(store, { access: selected.access, count: all.length, ids, work }))) return all
    this.#rows.may = this.#narrowing.columns
    const open: number[] = []
    for (const nth of all) {
      this.#settle(nth, this.#go(nth), this.#judge(NARROWED), open)
      if (work.over) await work.pass()
    }
    return open
  }

  /** A hit, or one that stays open, or neither. What is to be scored stays open until a key has a say in that, or all is loaded. */
  #settle(nth: number, { segment, row }: Place, verdict: number, open: number[]): void {
    if (verdict === NO) return
    const score = verdict === YES ? this.#scorer?.(this.#rows) : undefined
    if (verdict === MAYBE || (score === 0 && this.#rows.loaded < this.#plan.cost)) {
      open.push(nth)
      return
    }
    const msn = this.#open[nth]!
    if (score !== undefined) this.#scores?.set(msn, Math.max(LEAST, score))
    this.#hit(msn, segment.uids[row]!)
  }

  /** To the open message at that place. */
  #go(nth: number): Place {
    const msn = this.#open[nth]!
    const place = this.#context.selected.view.placeAt(msn)!
    this.#at(place.segment, place.row, place.row + 1, msn)
    this.#rows.nth = nth
    return place
  }

  /** Judges the messages with these columns; returns those that are still open. What is gone matches nothing. */
  async #stage(
    places: readonly number[],
    want: readonly ContentColumn[],
    judge: (content: ContentRow) => number | Promise<number>,
  ): Promise<number[]> {
    const { store, selected, work } = this.#context
    const open: number[] = []
    work.total += places.length
    for (let at = 0; at < places.length; at += STEP) {
      const step = places.slice(at, at + STEP)
      let i = 0
      for await (const content of store.contents(selected.access, this.#ids(step), want)) {
        const nth = step[i++]!
        if (content.header) {
          const place = this.#go(nth)
          const judged = judge(content)
          this.#settle(nth, place, typeof judged === 'number' ? judged : await judged, open)
        }
        work.done++
        if (work.over) await work.pass()
      }
    }
    return open
  }

  #ids(places: readonly number[]): ContentId[] {
    const { view } = this.#context.selected
    return places.map((nth) => {
      const { segment, row } = view.placeAt(this.#open[nth]!)!
      return segment.contents[row] as ContentId
    })
  }

  #judgeHeader(content: ContentRow): number {
    this.#rows.header = new HeaderText(content.header!)
    return this.#judge(HEADER)
  }

  #judge(loaded: Rows['loaded']): number {
    this.#rows.loaded = loaded
    this.#plan.judge(this.#rows, this.#verdicts)
    return this.#verdicts[0]!
  }

  #judgeBody(content: ContentRow): number | Promise<number> {
    const text = new TextCollector(unpackParts(content.parts!))
    if (!content.body) return this.#readBody(content, text)
    text.write(content.header!)
    text.write(content.body)
    return this.#judgeText(content, text)
  }

  /** A long one, piece by piece; `TextCollector` keeps a bounded part of it. */
  async #readBody(content: ContentRow, text: TextCollector): Promise<number> {
    const { store, selected, work } = this.#context
    const size = this.#rows.segment.sizes[this.#rows.from]!
    for await (const piece of store.read(selected.access, content.id, 0, size)) {
      text.write(piece)
      if (text.done) break
      if (work.over) await work.pass()
    }
    return this.#judgeText(content, text)
  }

  #judgeText({ header }: ContentRow, collected: TextCollector): number {
    const text = collected.end()
    this.#rows.header = new HeaderText(header!, () => text.header)
    this.#rows.body = new BodyText(canonical(text.body), this.#needles)
    return this.#judge(BODY)
  }
}

const ascending = (a: number, b: number): number => a - b
