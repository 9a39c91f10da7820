/** Reads reports of other servers one after the other as they come, and keeps what they say. Any number of processes may be at it: who has claimed one has it alone. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { headerEnd, MAX_HEADER_BYTES } from '../mail/header.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { DueReport, Reading, Reports } from '../store/reports.ts'
import { READER_LIMITS, type ReaderLimits, readApart } from './reader.ts'
import { reporterOf } from './sender.ts'
import { mebibytes, READ_LIMITS } from './unreadable.ts'

/** How often it is looked for what is due, beside being woken. Milliseconds. */
const LOOK_MS = 30_000
const EXPIRE_MS = 3_600_000
/** After a fault of the database. */
const PAUSE_MS = 5_000
/** What took longer than this is followed by a rest as long as it took: no more than half a core goes to what strangers send. Milliseconds. */
const LONG_MS = 1_000

export interface CollectorOptions {
  readonly reports: Omit<Reports, 'note'>
  readonly store: Pick<MailStore, 'read'>
  /** Whether mail for that domain, or for one above it, is taken here. */
  readonly isOurs: (domain: string) => Promise<boolean>
  readonly log: Log
  /** Milliseconds; LOOK_MS if absent. */
  readonly look?: number
  readonly limits?: ReaderLimits
}

export class ReportCollector {
  readonly #o: CollectorOptions
  readonly #stop = new AbortController()
  #woken = false
  #wake: () => void = () => {}
  #loop: Promise<void> = Promise.resolve()
  #expired = 0

  constructor(options: CollectorOptions) {
    this.#o = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  wake(): void {
    this.#woken = true
    this.#wake()
  }

  /** What is being read is left, and read again when this process has ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#wake()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#woken = false
      try {
        await this.#expire()
        while (!signal.aborted && (await this.#next()));
      } catch (err) {
        if (signal.aborted) return
        this.#o.log.warn({ err: err instanceof Error ? err.message : String(err) }, 'reports could not be read now; it is tried again')
        await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
      }
      if (!this.#woken && !signal.aborted) await this.#rest()
    }
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#o.look ?? LOOK_MS).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #expire(): Promise<void> {
    if (Date.now() < this.#expired + EXPIRE_MS) return
    await this.#o.reports.expire()
    this.#expired = Date.now()
  }

  /** false: nothing is due. */
  async #next(): Promise<boolean> {
    const { reports, log } = this.#o
    const due = await reports.claim()
    if (!due) return false
    const started = performance.now()
    const reading = await this.#read(due)
    const kept = await reports.settle(due, reading)
    const ms = Math.round(performance.now() - started)
    const { reporter, unread } = reading
    const seen = { content: due.content.toString(36), from: reporter.domain, verified: reporter.verified, reports: reading.reports.length, ms }
    if (!kept) log.debug(seen, 'another process read this report meanwhile')
    else log[unread.length > 0 ? 'info' : 'debug']({ ...seen, ...(unread.length > 0 && { unread }) }, 'a report was read')
    if (ms > LONG_MS) await sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
    return true
  }

  async #read(due: DueReport): Promise<Reading> {
    const { reports, isOurs, log, limits = READER_LIMITS } = this.#o
    const start = await this.#octets(due, MAX_HEADER_BYTES)
    const reporter = reporterOf(start.subarray(0, headerEnd(start)))
    const nothing = (reason: string): Reading => ({ reporter, reports: [], unread: [reason] })
    if (due.hopeless) return nothing('whoever began to read it did not come to its end')
    const refused = await reports.refused(due, reporter)
    if (refused !== undefined) return nothing(refused)
    if (due.size > READ_LIMITS.message) return nothing(`the message is larger than ${mebibytes(READ_LIMITS.message)}`)
    const read = await readApart(await this.#octets(due, due.size), this.#stop.signal, limits)
    if (read.fault !== undefined) log.error({ err: read.fault, content: due.content.toString(36) }, 'a report could not be read for a fault')
    const ours: Reading['reports'][number][] = []
    const unread = new Set(read.unread)
    for (const report of read.reports)
      if (await isOurs(report.domain)) ours.push(report)
      else unread.add('it is about a domain that is not ours')
    return { reporter, reports: ours, unread: [...unread] }
  }

  /** The beginning of the message. */
  async #octets({ access, content, size }: DueReport, most: number): Promise<Buffer<ArrayBuffer>> {
    const length = Math.min(size, most)
    const message = Buffer.from(new ArrayBuffer(length))
    let at = 0
    for await (const piece of this.#o.store.read(access, content, 0, length)) at += piece.copy(message, at)
    return message.subarray(0, at)
  }
}
