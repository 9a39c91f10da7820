/**
 * Tells domains that ask for it what came of TLS on the way to them: once for each day, domain and address, whichever process does it. RFC 8460.
 *
 * Mail goes through the queue, whose op id is made of day, domain and address: a process that was overtaken or that follows one that died queues it no second time. What is posted to a
 * web server is not begun again where it was interrupted: nobody knows whether it came, and one that is missing harms less than one that counts twice.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../../log.ts'
import { type Dns, NoSuchName } from '../../../net/dns/dns.ts'
import type { MailStore } from '../../../store/mailstore.ts'
import { type NewOutbound, NOTIFY, type Queue } from '../../../store/queue.ts'
import type { TlsReportOutcome, TlsReportTask, TlsSessions } from '../../../store/tls-sessions.ts'
import { type KeysFor, signing } from '../../signing.ts'
import { type PostOptions, postReport } from './post.ts'
import { mailAddress, reportAddresses, tlsReportName, webAddress } from './record.ts'
import { packed, type ReportFrame, reportMail } from './report.ts'

const LOOK_MS = 5 * 60_000
/** Seconds after the end of a day: by then all processes have written what they counted. */
const AFTER = 15 * 60
/** Seconds in which all of a day's reports are sent: not everybody's at midnight (RFC 8460 §4.1). */
const SPREAD = 4 * 60 * 60
/** Seconds between tries, for about a day (RFC 8460 §5.5). */
const RETRIES = [10 * 60, 60 * 60, 3 * 60 * 60, 8 * 60 * 60, 12 * 60 * 60]
/** Seconds that the queue tries. */
const LIFETIME = 24 * 60 * 60
const MAX_REPORT = 8 * 1024 * 1024
const STOP_MS = 5_000

export interface TlsReporterOptions extends Omit<PostOptions, 'dns' | 'stop'> {
  readonly sessions: TlsSessions
  readonly queue: Pick<Queue, 'enqueue'>
  readonly store: Pick<MailStore, 'stage'>
  readonly dns: Dns
  readonly keysFor: KeysFor
  /** Our domain, which signs. */
  readonly submitter: string
  /** Names this process in leases. */
  readonly owner: string
  readonly log: Log
  /** Milliseconds; LOOK_MS if absent. */
  readonly look?: number
  /** Seconds; AFTER and SPREAD if absent. */
  readonly after?: number
  readonly spread?: number
  readonly retries?: readonly number[]
}

export class TlsReporter {
  readonly #o: TlsReporterOptions
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: TlsReporterOptions) {
    this.#o = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** What is under way has so many milliseconds; its lease ends it after that. */
  async stop(ms = STOP_MS): Promise<void> {
    this.#stop.abort()
    const ended = new AbortController()
    const late = sleep(ms, undefined, { signal: ended.signal }).catch(() => {})
    await Promise.race([this.#loop.finally(() => ended.abort()), late])
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { look = LOOK_MS, after = AFTER, spread = SPREAD, sessions, owner, log } = this.#o
    while (!signal.aborted) {
      try {
        await sessions.plan({ after, spread })
        for (let task = await this.#next(); task; task = await this.#next()) {
          const outcome = await this.#do(task)
          // What was cut off may have come: it stays begun.
          if (outcome.kind === 'done' || !signal.aborted) await sessions.settle(task, owner, outcome)
        }
      } catch (err) {
        log.warn({ err: err instanceof Error ? err.message : String(err) }, 'reports on TLS cannot be sent now; it is tried again')
      }
      await sleep(look, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  #next = async (): Promise<TlsReportTask | undefined> => (this.#stop.signal.aborted ? undefined : this.#o.sessions.claim(this.#o.owner))

  async #do(task: TlsReportTask): Promise<TlsReportOutcome> {
    const { day, domain, address, tries } = task
    const { retries = RETRIES, log } = this.#o
    try {
      await (address === '' ? this.#look(task) : this.#send(task))
      return { kind: 'done' }
    } catch (err) {
      const seconds = retries[tries - 1]
      log.info({ day, domain, address, err: err instanceof Error ? err.message : String(err), tries }, 'a report on TLS could not be sent')
      return seconds === undefined ? { kind: 'given-up' } : { kind: 'later', seconds }
    }
  }

  /** Where the domain wants its reports. */
  async #look(task: TlsReportTask): Promise<void> {
    const { dns, sessions, owner } = this.#o
    const records = await dns.ask(tlsReportName(task.domain), 'TXT').then(
      (answer) => answer.records,
      (err: unknown) => {
        if (err instanceof NoSuchName) return []
        throw err
      },
    )
    await sessions.addressed(task, owner, reportAddresses(records))
  }

  async #send(task: TlsReportTask): Promise<void> {
    const { day, domain, address, interrupted } = task
    const { sessions, submitter, log } = this.#o
    const web = webAddress(address)
    if (web && interrupted) return log.warn({ day, domain, address }, 'nobody knows whether a report on TLS came there: it is not sent again')
    const counts = await sessions.of(task)
    if (counts.length === 0) return
    const frame = { day, domain, submitter }
    const gzip = packed(frame, counts)
    if (web) await postReport(gzip, web, { ...this.#o, stop: this.#stop.signal })
    else await this.#mail(task, frame, gzip)
    log.info({ day, domain, address, ways: counts.length }, 'a report on TLS was sent')
  }

  async #mail({ day, domain, address: uri }: TlsReportTask, frame: ReportFrame, gzip: Buffer): Promise<void> {
    const { queue, store, sessions, keysFor, submitter, log } = this.#o
    const to = mailAddress(uri)
    if (!to) throw new Error('that is no address')
    const now = Date.now()
    const { octets, block } = reportMail(frame, gzip, { to: to.address, date: now })
    const signer = signing(await keysFor(submitter), { block: octets.subarray(0, block), added: '' }, log)
    signer.write(octets)
    const lines = signer.finish()
    // RFC 8460 §3: without a signature it would be ignored.
    if (lines === '') throw new Error(`there is no published DKIM key of ${submitter} to sign it with`)
    const sender = await sessions.sender()
    const stage = store.stage(sender, MAX_REPORT)
    await stage.write(octets)
    const mail: NewOutbound = {
      // Nobody is told where it fails, and it does not wait for TLS that its recipient has trouble with.
      ...{ reversePath: '', prefix: Buffer.from(lines), skip: 0, eightBit: false, utf8: false, requireTls: false, tlsOptional: true },
      ...{ notBefore: now, expires: now + LIFETIME * 1000, counts: false },
      recipients: [{ ...to, notify: NOTIFY.never }],
    }
    const attempt = createHash('sha256').update(`tls report ${day} ${domain} ${uri}`).digest('hex')
    await queue.enqueue(sender, await stage.finish(), mail, attempt)
  }
}
