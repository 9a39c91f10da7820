/** A process of its own that starts the embedded Postgres in argv[2], says where on one line, and waits until it is killed. */
import { silentLog } from '../../src/log.ts'
import { startEmbedded } from '../../src/store/pg/embedded.ts'

const server = await startEmbedded({ dir: process.argv[2] ?? '', log: silentLog() })
process.stdout.write(`${JSON.stringify(server.connect)}\n`)
process.on('SIGTERM', () => {
  void server.stop().then(() => process.exit(0))
})
setInterval(() => {}, 60_000)
