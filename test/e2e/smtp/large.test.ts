/** Large messages cost time in proportion and no memory; stuffed dots are no weapon. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import type { StagedContent } from '../../../src/store/mailstore.ts'
import type { ContentId } from '../../../src/store/types.ts'
import { Client, type Running, startMx } from './harness.ts'

const MIB = 1024 * 1024
const running: Running[] = []
after(() => Promise.all(running.map((one) => one.stop())))

/** Counts what it is given and keeps nothing. */
function counting() {
  const sizes: number[] = []
  let size = 0
  return {
    sizes,
    stage: () => {
      size = 0
      return {
        write: async (chunk: Uint8Array) => {
          size += chunk.length
        },
        finish: async (): Promise<StagedContent> => ({
          account: 1 as StagedContent['account'],
          id: 1n as ContentId,
          size,
          sha256: '',
          header: Buffer.alloc(0),
        }),
        discard: () => {},
      }
    },
    staged: () => assert.fail('its lines are short'),
    deliver: async ({ size: delivered }: StagedContent) => {
      sizes.push(delivered)
      return { again: 0, confirm() {} }
    },
  }
}

async function start() {
  const store = counting()
  const server = await startMx({ store })
  running.push(server)
  return { store, port: server.port }
}

async function inData(port: number): Promise<Client> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<x@elsewhere.example>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
  return client
}

async function send(port: number, block: Buffer, octets: number): Promise<void> {
  const client = await inData(port)
  client.write('a: b\r\n\r\n')
  for (let sent = 0; sent < octets; sent += block.length) if (!client.write(block)) await once(client.socket, 'drain')
  client.write('.\r\n')
  assert.match(await client.reply(60_000), /^250/)
  client.close()
}

test('25 MiB of stuffed dots cost less than three times the CPU of 25 MiB of text', async () => {
  const { port, store } = await start()
  const text = Buffer.from(`${'x'.repeat(76)}\r\n`.repeat(840))
  const dots = Buffer.from('..\r\n'.repeat(16_384))
  const cost = async (block: Buffer): Promise<number> => {
    const from = process.cpuUsage()
    await send(port, block, 25 * MIB)
    const { user, system } = process.cpuUsage(from)
    return (user + system) / 1_000
  }
  await cost(text)
  await cost(dots)
  const best = { text: Number.POSITIVE_INFINITY, dots: Number.POSITIVE_INFINITY }
  for (let i = 0; i < 3; i++) {
    best.text = Math.min(best.text, await cost(text))
    best.dots = Math.min(best.dots, await cost(dots))
  }
  assert.ok(best.dots < 3 * best.text, `${best.dots} ms against ${best.text} ms`)
  assert.ok(store.sizes.at(-1)! > 18 * MIB)
})

test('50 MiB pass through without staying', async () => {
  const { port, store } = await start()
  const block = Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(64))
  await send(port, block, 5 * MIB)
  global.gc?.()
  const before = process.memoryUsage().rss
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 10)
  await send(port, block, 49 * MIB)
  clearInterval(watch)
  assert.ok(store.sizes.at(-1)! > 49 * MIB)
  assert.ok(peak - before < 48 * MIB, `${Math.round((peak - before) / MIB)} MiB more`)
})

test('a store that waits holds the client back', async () => {
  const store = counting()
  const go = Promise.withResolvers<void>()
  const stage = store.stage
  store.stage = () => ({ ...stage(), write: () => go.promise })
  const server = await startMx({ store })
  running.push(server)
  const client = await inData(server.port)
  client.write('a: b\r\n\r\n')
  const block = Buffer.alloc(65_536, `${'x'.repeat(62)}\r\n`)
  let written = 0
  let stalled = false
  while (!stalled && written < 40 * MIB) {
    written += block.length
    if (!client.write(block))
      stalled = await Promise.race([once(client.socket, 'drain').then(() => false), new Promise<true>((resolve) => setTimeout(resolve, 500, true))])
  }
  assert.ok(stalled && written < 16 * MIB, `${written} octets went in`)
  go.resolve()
  client.write('.\r\n')
  assert.match(await client.reply(), /^250/)
})

test('a message octet by octet', async () => {
  const server = await startMx()
  running.push(server)
  const client = await inData(server.port)
  const text = 'Subject: slow\r\n\r\n..a\r\n.b\r\nc\r\n.\r\n'
  for (const octet of text) {
    client.write(octet)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.match(await client.reply(), /^250/)
  assert.equal(server.store.body().toString(), 'Subject: slow\r\n\r\n.a\r\nb\r\nc\r\n')
})
