/** A queue on a real store, with a worker that may go to loopback. */
import { silentLog } from '../../../src/log.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { createReporter } from '../../../src/smtp/outbound/report.ts'
import type { TlsPolicy } from '../../../src/smtp/outbound/route.ts'
import { OutboundWorker, type WorkerOptions } from '../../../src/smtp/outbound/worker.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import { type NewOutbound, NOTIFY } from '../../../src/store/queue.ts'
import { stage, type TestStore, testStore } from '../../support/store.ts'
import { fakeDns, type Zone } from './peer.ts'

const HOSTNAME = 'mail.example.test'
export const opportunistic: TlsPolicy = async () => ({ tls: { kind: 'opportunistic' } })
/** Seconds: what is deferred is due again at once, or nearly so. */
export const AT_ONCE: readonly number[] = [1]

export type House = Awaited<ReturnType<typeof outboundHouse>>

/** `through`: the way to the database, for what is between. */
export async function outboundHouse(zones: Record<string, Zone> = {}, through?: Parameters<typeof testStore>[0]) {
  const opened: TestStore = await testStore(through)
  const { store, queue, accounts, anna, ben } = opened
  const dns = fakeDns(zones)
  const workers: OutboundWorker[] = []
  const pool = new Pool({ connect: opened.db.connect, max: 1, log: silentLog() })
  let statements = 0
  let attempts = 0
  return {
    ...opened,
    dns,
    /** A worker that sends to this port of loopback. */
    work(port: number, more: Partial<WorkerOptions> = {}): OutboundWorker {
      const owner = `worker ${workers.length}`
      const log = silentLog()
      const route = { dns, hostname: HOSTNAME, privateAddresses: true, port, relayFor: () => undefined, tlsPolicy: opportunistic }
      const reporter = createReporter({ queue, store, accounts, srs: srsOf(accounts), hostname: HOSTNAME, owner, log })
      const worker = new OutboundWorker({
        srs: srsOf(accounts),
        queue,
        store,
        accounts,
        keysFor: async () => [],
        route,
        hostname: HOSTNAME,
        reporter,
        owner,
        log,
        look: 100,
        schedule: AT_ONCE,
        ...more,
      })
      workers.push(worker)
      worker.start()
      return worker
    },
    async send(to: readonly string[], more: Partial<NewOutbound> = {}, text = 'Subject: hello\r\n\r\nbody\r\n', by = anna) {
      const content = await stage(store, by, Buffer.from(text))
      const recipients = to.map((address) => ({ address, domain: address.slice(address.lastIndexOf('@') + 1), notify: NOTIFY.failure as number }))
      const mail: NewOutbound = {
        ...{ recipients, reversePath: by === anna ? 'anna@example.test' : 'ben@example.test', prefix: Buffer.alloc(0), skip: 0 },
        ...{ eightBit: false, utf8: false, requireTls: false, notBefore: Date.now(), expires: Date.now() + 5 * 86_400_000, counts: true, ...more },
      }
      await queue.enqueue(by, content, mail, `attempt ${attempts++}`)
      return content
    },
    /** Texts in a mailbox of one of the two. */
    async inbox(of = anna, name = 'INBOX'): Promise<string[]> {
      const mailbox = await store.open(of, name, false)
      await using selected = await store.select(mailbox, { changed() {}, gone() {} })
      const texts: string[] = []
      for (const { segment, from, to } of selected.view.exists > 0 ? selected.view.spans('msn', [1, selected.view.exists]) : [])
        for (let row = from; row < to; row++) {
          const pieces: Buffer[] = []
          for await (const piece of store.read(mailbox, segment.contents[row]! as never, 0, segment.sizes[row]!)) pieces.push(piece)
          texts.push(Buffer.concat(pieces).toString())
        }
      return texts
    },
    ben,
    async count(text: string): Promise<number> {
      let found = 0
      await pool.rows({ name: `t_${statements++}`, text }, [], (row) => {
        found = row.long()
      })
      return found
    },
    /** Of a statement with one column of text. */
    async texts(text: string): Promise<string[]> {
      const found: string[] = []
      await pool.rows({ name: `t_${statements++}`, text }, [], (row) => found.push(row.text()))
      return found
    },
    async sql(text: string): Promise<void> {
      await pool.rows({ name: `t_${statements++}`, text }, [])
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.stop(0)))
      await pool.close()
      await opened.close()
    },
  }
}

/** Resolves when it holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`in vain: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
