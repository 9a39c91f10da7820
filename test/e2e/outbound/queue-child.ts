/** A process that empties a queue, to be killed at any moment: node queue-child.ts CONNECT PORT OWNER SECONDS_IN_DOUBT. */
import { silentLog } from '../../../src/log.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { createReporter } from '../../../src/smtp/outbound/report.ts'
import { OutboundWorker } from '../../../src/smtp/outbound/worker.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { type Connect, openStore } from '../../../src/store/pg/index.ts'
import { opportunistic } from './house.ts'
import { fakeDns } from './peer.ts'

const [connect, port, owner, doubtSeconds] = process.argv.slice(2) as [string, string, string, string]
const log = silentLog()
const hostname = 'mail.example.test'
const { store, queue, accounts } = await openStore({
  connect: JSON.parse(connect) as Connect,
  drivers: createMemoryDrivers(),
  log,
  background: false,
})
const zones = new Proxy({}, { get: () => ({ MX: [{ preference: 0, exchange: 'mx.test' }], A: ['127.0.0.1'], AAAA: [] }) })
const route = { dns: fakeDns(zones), hostname, privateAddresses: true, port: Number(port), relayFor: () => undefined, tlsPolicy: opportunistic }
new OutboundWorker({
  queue,
  store,
  accounts,
  keysFor: async () => [],
  srs: srsOf(accounts),
  route,
  hostname,
  reporter: createReporter({ queue, store, accounts, hostname, owner, log }),
  owner,
  log,
  look: 200,
  schedule: [1],
  doubtSeconds: Number(doubtSeconds),
}).start()
process.send?.('working')
