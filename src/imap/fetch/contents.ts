/** FETCH responses that need contents: columns of many messages read ahead, octets of long ones passed through piece by piece. */
import { Disconnected } from '../../net/connection.ts'
import { LineWriter, Phrase } from '../../net/line-writer.ts'
import type { Asked, ContentColumn } from '../../store/mailstore.ts'
import type { ContentId } from '../../store/types.ts'
import type { UidRanges } from '../../store/uidset.ts'
import { checkpointsOf } from './checkpoints.ts'
import { DecodedWriter, type EncodedSource } from './decoded.ts'
import type { FetchItem, OctetsItem, ValueItem } from './item.ts'
import { seenItems } from './items.ts'
import { type Fetch, type FetchContext, FLUSH_AT } from './job.ts'
import { begin, end, FRAME_ROOM, prefixes } from './lines.ts'
import { cut, octetsWithin, type Range, writeLiteralHead, writeNil } from './octets.ts'
import { beyond, membership } from './ranges.ts'
import { FetchRow } from './row.ts'
import { Turns } from './turns.ts'

/** Contents asked of the store in one go; it reads ahead within them. */
const STEP = 4096
const NUMBER_ROOM = 16

export class ContentFetch {
  readonly #context: FetchContext
  readonly #fetch: Fetch
  readonly #want: readonly ContentColumn[]
  readonly #prefixes: readonly Phrase[]
  readonly #line: LineWriter
  readonly #decoded: DecodedWriter
  readonly #encoded: EncodedSource = {
    within: (range) => octetsWithin(this.#row.content!, this.#row.size, range),
    read: (range) => this.#read(range),
    places: (encoded) => {
      const { store, selected } = this.#context
      return checkpointsOf(store).part(`${selected.access.account}/${this.#row.content!.id}`, encoded)
    },
  }
  readonly #row: FetchRow
  readonly #marked: (uid: number) => boolean
  /** What marked messages tell although it was not asked for. */
  readonly #beside: readonly { readonly item: ValueItem; readonly prefix: Phrase }[]

  /** `marked`: UIDs whose response tells their flags, asked for or not. */
  constructor(context: FetchContext, fetch: Fetch, marked: UidRanges) {
    this.#context = context
    this.#fetch = fetch
    // A body lies behind its header: how long that is must be known.
    this.#want = [...new Set(fetch.items.flatMap(({ needs }) => (needs.includes('body') ? ['header' as const, ...needs] : needs)))]
    this.#prefixes = prefixes(fetch.items, context.reports)
    this.#line = new LineWriter(context.output)
    this.#decoded = new DecodedWriter(this.#line, context.output)
    this.#row = new FetchRow(context.selected, context.reports)
    this.#marked = membership(marked)
    const beside = seenItems(context.reports).filter((item) => !fetch.items.includes(item))
    this.#beside = beside.map((item) => ({ item, prefix: new Phrase(` ${item.name} `) }))
  }

  /** Items that could not be decoded. */
  undecodable = 0

  /** Resolves to the number of messages whose content is gone for good: they get no response. */
  async run(): Promise<number> {
    const { by, ranges } = this.#fetch
    const { selected } = this.#context
    let vanished = 0
    for (let left = ranges; left.length > 0; ) {
      const { msns, asked } = this.#next(left)
      const last = msns.at(-1)
      if (last === undefined) break
      // Of others' mailboxes the rights are looked up with every command.
      vanished += msns.length === 1 && selected.access.own ? await this.#one(last) : await this.#step(msns, asked)
      left = beyond(left, by === 'uid' ? selected.view.uidAt(last)! : last)
    }
    return vanished
  }

  /** The first STEP messages of the ranges. */
  #next(left: UidRanges): { msns: number[]; asked: Asked[] } {
    const msns: number[] = []
    const asked: Asked[] = []
    const sized = this.#want.includes('body')
    for (const { segment, from, to, msn } of this.#context.selected.view.spans(this.#fetch.by, left)) {
      const until = Math.min(to, from + STEP - msns.length)
      for (let at = from; at < until; at++) {
        msns.push(msn + at - from)
        const id = segment.contents[at] as ContentId
        asked.push(sized ? { id, size: segment.sizes[at]! } : id)
      }
      if (msns.length === STEP) break
    }
    return { msns, asked }
  }

  async #one(msn: number): Promise<number> {
    const { store, selected } = this.#context
    const taken = selected.ahead.take(store, selected, { msn, want: this.#want })
    const content = taken instanceof Promise ? await taken : taken
    this.#row.move(msn, selected.view.placeAt(msn)!, content)
    if (content.gone) return 1
    const streamed = this.#response()
    if (streamed) await streamed
    return 0
  }

  async #step(msns: readonly number[], asked: readonly Asked[]): Promise<number> {
    const { store, selected, output } = this.#context
    const turns = new Turns()
    let vanished = 0
    let i = 0
    for await (const batch of store.contents(selected.access, asked, this.#want).batches()) {
      // Nothing is waited for, and next to nothing allocated, where a response fits the output.
      for (const content of batch) {
        const msn = msns[i++]!
        const place = selected.view.placeAt(msn)!
        this.#row.move(msn, place, content)
        if (content.gone) vanished++
        else {
          const streamed = this.#response()
          if (streamed) await streamed
        }
        if (output.queued > FLUSH_AT) await output.flush()
        if (turns.over) await turns.pass()
      }
    }
    if (i !== msns.length) throw new Error(`the store told of ${i} contents where ${msns.length} were asked for`)
    return vanished
  }

  /**
   * One line. What goes wrong before any of it left the line's buffer is an answer like others. After that, and so whenever a literal's length was
   * announced, there is nothing true left to say but the end of the connection.
   */
  #response(): Promise<void> | undefined {
    const line = this.#line
    try {
      line.room(FRAME_ROOM)
      begin(line, this.#context.reports.uids ? this.#row.uid : this.#row.msn)
      for (let k = 0; k < this.#fetch.items.length; k++) {
        const streamed = this.#item(this.#fetch.items[k]!, this.#prefixes[k]!)
        if (streamed) return this.#rest(streamed, k + 1)
      }
      this.#end()
      return undefined
    } catch (err) {
      throw this.#broken(err)
    }
  }

  /** The items from `next` on, once what comes before them was sent. */
  async #rest(streamed: Promise<void>, next: number): Promise<void> {
    try {
      await streamed
      for (let k = next; k < this.#fetch.items.length; k++) await this.#item(this.#fetch.items[k]!, this.#prefixes[k]!)
      this.#end()
    } catch (err) {
      throw this.#broken(err)
    }
  }

  #broken(err: unknown): unknown {
    if (this.#line.drop() || err instanceof Disconnected) return err
    this.#context.log.error({ err, uid: this.#row.uid }, 'a FETCH response was begun and cannot be finished')
    return new Disconnected('a response cannot be finished', { cause: err })
  }

  #end(): void {
    const line = this.#line
    if (this.#marked(this.#row.uid))
      for (const { item, prefix } of this.#beside) {
        line.room(item.room + prefix.length)
        line.phrase(prefix)
        item.write(this.#row, line)
      }
    line.room(FRAME_ROOM)
    end(line)
    line.release()
  }

  /** Writes name and value; what it returns, if anything, must be waited for before the next item. */
  #item(item: FetchItem, prefix: Phrase): Promise<void> | undefined {
    this.#line.room(prefix.length + (item.kind === 'value' ? item.room : NUMBER_ROOM))
    this.#line.phrase(prefix)
    if (item.kind === 'octets') return this.#octets(item)
    item.write(this.#row, this.#line)
    return undefined
  }

  #octets(item: OctetsItem): Promise<void> | undefined {
    const octets = item.locate(this.#row)
    switch (octets.kind) {
      case 'undecodable':
        this.undecodable++
        return this.#nothing(item)
      case 'none':
        return this.#nothing(item)
      case 'encoded':
        return this.#decoded.write(octets, item, this.#encoded)
      case 'bytes':
        return this.#bytes(octets.bytes, item)
      case 'range': {
        const range = cut(octets, item.partial)
        const pieces = octetsWithin(this.#row.content!, this.#row.size, range)
        writeLiteralHead(this.#line, range.to - range.from)
        if (!pieces) return this.#stream(range)
        for (const piece of pieces) this.#line.octets(piece)
        return undefined
      }
      case 'derived':
        return this.#derived(octets, item)
      default:
        return octets satisfies never
    }
  }

  #nothing({ sizeOnly }: OctetsItem): undefined {
    if (sizeOnly) this.#line.number(0)
    else writeNil(this.#line)
  }

  #bytes(bytes: Uint8Array, { partial }: OctetsItem): undefined {
    const { from, to } = cut({ from: 0, to: bytes.length }, partial)
    writeLiteralHead(this.#line, to - from)
    this.#line.octets(bytes.subarray(from, to))
    return undefined
  }

  #derived(block: Extract<ReturnType<OctetsItem['locate']>, { kind: 'derived' }>, item: OctetsItem): Promise<void> | undefined {
    const pieces = octetsWithin(this.#row.content!, this.#row.size, block)
    if (pieces) return this.#bytes(block.make(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)), item)
    return this.#readWhole(block).then((read) => this.#bytes(block.make(read), item))
  }

  async #readWhole(range: Range): Promise<Buffer> {
    const out = Buffer.allocUnsafe(range.to - range.from)
    let used = 0
    for await (const piece of this.#read(range)) used += piece.copy(out, used)
    return out
  }

  async #stream(range: Range): Promise<void> {
    const { output } = this.#context
    this.#line.give()
    for await (const piece of this.#read(range)) {
      output.write(piece)
      if (output.queued > FLUSH_AT) await output.flush()
    }
  }

  /** Exactly the octets of the range. Throws where they cannot be had. */
  async *#read({ from, to }: Range): AsyncGenerator<Buffer, void, undefined> {
    const { store, selected } = this.#context
    let at = from
    for await (const piece of store.read(selected.access, this.#row.content!.id, from, to)) {
      at += piece.length
      if (at > to) break
      yield piece
    }
    if (at !== to) throw new Error(`a content holds other than its ${to} octets`)
  }
}
