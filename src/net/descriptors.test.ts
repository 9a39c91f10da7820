/** What happens when the process has no file descriptors left. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const CHILD = `
const { listen } = await import(${JSON.stringify(new URL('listener.ts', import.meta.url).href)})
const quiet = { debug() {}, warn() {}, error() {} }
const serve = async ({ socket }) => { socket.write('hello\\r\\n'); socket.resume(); await new Promise((done) => socket.once('end', done).once('close', done)) }
const listener = await listen({ host: '127.0.0.1', port: 0, mode: 'starttls', networkOf: String, serve, log: quiet })
console.log(listener.port)
process.on('SIGTERM', () => { const { user, system } = process.cpuUsage(); console.log(Math.round((user + system) / 1000)); process.exit() })
`

test('out of descriptors: what is open goes on, no spin, and new connections are taken again', async () => {
  const child = spawn('sh', ['-c', 'ulimit -n 64 && exec "$0" --input-type=module -e "$1"', process.execPath, CHILD], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = async (): Promise<number> => Number(String((await once(child.stdout, 'data'))[0]))
  try {
    const port = await said()
    const open = (): Socket => connect({ port, host: '127.0.0.1' }).on('error', () => undefined)
    const first = open()
    await once(first, 'data')
    const crowd = Array.from({ length: 150 }, open)
    await sleep(1000)
    assert.ok(!first.destroyed, 'an open connection goes on')
    assert.ok(crowd.filter((socket) => socket.bytesRead > 0).length > 10)
    for (const socket of crowd) socket.destroy()
    await sleep(200)
    const later = open()
    assert.equal(String((await once(later, 'data', { signal: AbortSignal.timeout(5000) }))[0]), 'hello\r\n')
    for (const socket of [first, later]) socket.destroy()
    child.kill('SIGTERM')
    const cpu = await said()
    assert.ok(cpu < 1500, `${cpu} ms of CPU, start included`)
  } finally {
    child.kill('SIGKILL')
  }
})
