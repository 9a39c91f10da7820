/** A selected mailbox made of messages at hand, with a store that has just enough verbs to read them: for tests of FETCH and SEARCH without a database. */
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { Selected } from '../../src/imap/selected.ts'
import { gramsOf, messageGrams } from '../../src/mail/grams.ts'
import { unpackParts } from '../../src/mail/parts.ts'
import { parseStructure } from '../../src/mail/structure.ts'
import { searchText } from '../../src/mail/text.ts'
import { Output } from '../../src/net/output.ts'
import { grantAccount, grantMailbox } from '../../src/store/access.ts'
import { idOf, inBatches } from '../../src/store/batches.ts'
import { flagsOf } from '../../src/store/flags.ts'
import { MailboxIndex } from '../../src/store/index.ts'
import type { ContentColumn, ContentRow, FlagsDone, FlagsOp, MailStore, TextProbe } from '../../src/store/mailstore.ts'
import { type AccountId, asUid, type ContentId, type MailboxId, type ModSeq } from '../../src/store/types.ts'
import { eachUid, toRanges, type UidRanges } from '../../src/store/uidset.ts'
import { View } from '../../src/store/view.ts'

export interface MadeMessage {
  readonly uid: number
  readonly raw?: Buffer
  readonly flags?: readonly string[]
  /** Milliseconds since 1970. */
  readonly date?: number
  /** RFC822.SIZE where there is no `raw`. */
  readonly size?: number
}

export interface MadeOptions {
  readonly keywords?: readonly string[]
  readonly readOnly?: boolean
  /** UIDs that are \Recent here: first, last. */
  readonly recent?: readonly [number, number]
  /** Bodies beyond this are not given by `contents`; as the store's chunks. */
  readonly bodyLimit?: number
}

/** What `contents` and `read` were asked for. */
export interface Asked {
  readonly ids: readonly ContentId[]
  readonly want: readonly ContentColumn[]
}

/** Contents that come together. */
const BATCH = 100

export class MadeMailbox {
  readonly index: MailboxIndex
  readonly view: View
  readonly selected: Selected
  readonly asked: Asked[] = []
  /** Octets that `read` gave out. */
  octetsRead = 0
  readonly reads: [from: number, to: number][] = []
  /** Contents that are gone, by UID. */
  readonly gone = new Set<number>()
  /** `read` ends or throws after so many octets. */
  breakAt: { octets: number; throws: boolean } | undefined
  readonly store: Pick<MailStore, 'contents' | 'read' | 'flags' | 'narrow'>
  /** UIDs of the messages whose texts are indexed. */
  readonly indexed = new Set<number>()
  readonly #messages = new Map<number, MadeMessage>()
  readonly #rows = new Map<number, ContentRow>()
  readonly #buckets = new Map<number, ReadonlySet<number>>()

  constructor(messages: readonly MadeMessage[], options: MadeOptions = {}) {
    const access = grantMailbox(grantAccount(1 as AccountId, 'test'), 7 as MailboxId, !options.readOnly)
    const keywords = options.keywords ?? []
    const index = new MailboxIndex({
      account: access.account,
      mailbox: access.mailbox,
      uidvalidity: 1,
      incarnation: 1,
      modseq: 5 as ModSeq,
      uidnext: asUid((messages.at(-1)?.uid ?? 0) + 1),
      keywords,
    })
    for (const message of messages) {
      const { uid, raw, flags = [], date = 0, size = raw?.length ?? 0 } = message
      const { lo, hi } = flagsOf(flags, keywords).flags
      index.addRow(uid, uid, BigInt(uid), lo, hi, 2, size, date, 0)
      this.#messages.set(uid, message)
    }
    this.index = index
    this.view = new View(index)
    const nothing = async (): Promise<undefined> => undefined
    this.selected = new Selected('INBOX', {
      access,
      index,
      view: this.view,
      refresh: nothing,
      mayGoOn: () => undefined,
      claimRecent: nothing,
      close: nothing,
      [Symbol.asyncDispose]: nothing,
    })
    if (options.recent) this.selected.addRecent(...options.recent)
    const limit = options.bodyLimit ?? Number.POSITIVE_INFINITY
    this.store = {
      contents: (_access, asked, want) => inBatches(() => this.#contents(Array.from(asked, idOf), want, limit)),
      read: (_access, id, from, to) => this.#read(Number(id), from, to),
      flags: (_access, uids, op) => this.#flags(uids, op),
      narrow: async (_access, ids, probes) => probes.map((probe) => Uint8Array.from(ids, (id) => (this.#mayHold(Number(id), probe) ? 1 : 0))),
    }
  }

  /** A change by another session. */
  flag(uid: number, lo: number): void {
    this.#change({ lo, hi: 0 }, [uid, uid])
  }
  expunge(uid: number): void {
    this.index.apply({ kind: 'expunge', modseq: (this.index.modseq + 1) as ModSeq, uids: [uid, uid] })
  }

  async *#contents(ids: readonly ContentId[], want: readonly ContentColumn[], limit: number): AsyncGenerator<ContentRow[]> {
    this.asked.push({ ids, want })
    for (let at = 0; at < ids.length; at += BATCH)
      yield ids.slice(at, at + BATCH).map((id) => (this.gone.has(Number(id)) ? { id, gone: true } : this.#columns(id, want, limit)))
  }

  #columns(id: ContentId, want: readonly ContentColumn[], limit: number): ContentRow {
    let row = this.#rows.get(Number(id))
    if (!row) {
      const raw = this.#raw(Number(id))
      const { header, envelope, bodystructure, parts } = parseStructure(raw)
      row = { id, header, envelope, bodystructure, parts, body: raw.subarray(header.length) }
      this.#rows.set(Number(id), row)
    }
    const given = want.filter((column) => column !== 'body' || row.body!.length <= limit)
    return { id, ...Object.fromEntries(given.map((column) => [column, row[column]])) }
  }

  async *#read(uid: number, from: number, to: number): AsyncGenerator<Buffer> {
    this.reads.push([from, to])
    const end = this.breakAt ? Math.min(to, from + this.breakAt.octets) : to
    for (let at = from; at < end; at += 65_536) {
      const piece = this.#raw(uid).subarray(at, Math.min(at + 65_536, end))
      this.octetsRead += piece.length
      yield piece
    }
    if (end < to && this.breakAt?.throws) throw new Error('the content is gone')
  }

  async #flags(uids: UidRanges, { names }: FlagsOp): Promise<FlagsDone> {
    const { flags } = flagsOf(names, this.index.keywords)
    const changed = toRanges(
      [...eachUid(uids)].filter((uid) => ((this.index.find(uid)?.segment.lo[this.index.find(uid)!.row] ?? flags.lo) & flags.lo) === 0),
    )
    if (changed.length === 0) return { modseqs: [], changed, modified: [] }
    return { modseqs: [this.#change(flags, changed)], changed, modified: [] }
  }

  #change(add: { lo: number; hi: number }, uids: UidRanges): ModSeq {
    const modseq = (this.index.modseq + 1) as ModSeq
    this.index.apply({ kind: 'flags', modseq, uids, add, remove: { lo: 0, hi: 0 }, keywords: [] })
    return modseq
  }

  #mayHold(uid: number, { place, text }: TextProbe): boolean {
    if (!this.indexed.has(uid)) return true
    let buckets = this.#buckets.get(uid)
    if (!buckets) {
      const found = new Set<number>()
      const raw = this.#raw(uid)
      const { header, parts } = parseStructure(raw)
      messageGrams(header, searchText(raw, unpackParts(parts)), (bucket) => found.add(bucket))
      this.#buckets.set(uid, (buckets = found))
    }
    return gramsOf(place, text).every((bucket) => buckets.has(bucket))
  }

  #raw(uid: number): Buffer {
    return this.#messages.get(uid)!.raw!
  }
}

export interface KeptOutput {
  readonly output: Output
  /** Everything that was sent, once the other side has taken it; one character per octet. */
  text(): Promise<string>
}

/** An output that keeps what is sent; with `slow` the other side takes each piece only after a turn of the event loop. */
export function keptOutput({ slow = false } = {}): KeptOutput {
  const pieces: Buffer[] = []
  const sink = new Writable({
    highWaterMark: 16 * 1024,
    write(chunk: Buffer, _encoding, done) {
      pieces.push(Buffer.from(chunk))
      if (slow) setImmediate(done)
      else done()
    },
  })
  const output = new Output(sink)
  return {
    output,
    async text() {
      await output.flush()
      while (sink.writableLength > 0) await turn()
      return Buffer.concat(pieces).toString('latin1')
    },
  }
}
