/** A scanner that keeps silent holds up a few messages, and then none until it answers. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Breaker } from '../../../src/smtp/scan/breaker.ts'
import type { Scanner } from '../../../src/smtp/scan/scanner.ts'
import { asClamd, clamdAt, type House, letter, ruleOf, scans, scriptedTcp, send, startHouse } from './scripted.ts'

const VERDICT_MS = 600
const FIRST_MS = 1_200
const PROBE_MS = 500
/** Less than any of those that wait. */
const QUICK_MS = 450

/** Of the scanner: whether it is there, what it says to which mail, and how many messages it was shown. */
let meet: (socket: Socket) => void
let shown = 0
const black = await scriptedTcp((socket) => {
  shown++
  meet(socket)
})
const silent = (socket: Socket): void => void socket.resume()
const healthy = asClamd(() => 'stream: OK\0')
const houses: House[] = []
after(async () => {
  await Promise.all(houses.map((house) => house.stop()))
  await black.stop()
})
beforeEach(() => {
  meet = silent
  shown = 0
})

async function open(onFailure: 'accept' | 'defer' = 'accept', mostMs = 10 * FIRST_MS) {
  const scanner = clamdAt(black.port)
  const breaker = new Breaker(scanner, { firstMs: FIRST_MS, mostMs, probeMs: PROBE_MS })
  const house = await startHouse([ruleOf(scanner, { onFailure, breaker })], { verdictMs: VERDICT_MS, patienceMs: VERDICT_MS })
  houses.push(house)
  const { port } = house.mx
  const logged = (word: string) => house.lines.filter((line) => JSON.parse(line).msg.includes(word)).length
  return { house, breaker, logged, post: (more = '') => timed(send(port, letter(more))), found: () => scans(house.mx.store.messages.at(-1)!.text) }
}

async function timed(reply: Promise<string>): Promise<{ reply: string; ms: number }> {
  const began = performance.now()
  return { reply: await reply, ms: performance.now() - began }
}

const until = async (done: () => boolean): Promise<void> => {
  for (let tries = 0; !done(); tries++) {
    assert.ok(tries < 200)
    await sleep(20)
  }
}

test('three messages wait, then none does; it is asked now and then, and has them again when it answers', async () => {
  const { breaker, logged, post, found } = await open()
  for (let i = 0; i < 3; i++) assert.ok((await post()).ms >= VERDICT_MS)
  await until(() => breaker.isOpen)
  // Three messages, and one of ours.
  assert.equal(shown, 4)
  for (let i = 0; i < 10; i++) {
    const { reply, ms } = await post()
    assert.match(reply, /^250 /)
    assert.ok(ms < QUICK_MS, `${ms} ms`)
    assert.deepEqual(found(), ['clamav; failed'])
  }
  assert.equal(shown, 4)
  await sleep(FIRST_MS)
  // Whoever comes then: one of them waits for the answer to ours.
  const all = await Promise.all(Array.from({ length: 10 }, () => post()))
  assert.equal(shown, 5)
  assert.equal(all.filter(({ ms }) => ms >= PROBE_MS).length, 1)
  meet = healthy
  // It is left alone for longer than the first time.
  await sleep(FIRST_MS)
  await post()
  assert.equal(shown, 5)
  assert.deepEqual(found(), ['clamav; failed'])
  await sleep(FIRST_MS)
  await post()
  assert.equal(shown, 7)
  assert.deepEqual(found(), ['clamav; clean'])
  assert.equal(breaker.isOpen, false)
  await post()
  assert.equal(shown, 8)
  assert.deepEqual([logged('keeps silent'), logged('answers again'), logged('message not scanned')], [1, 1, 3])
})

test('what is not scanned is asked to come again where the config says so, at once', async () => {
  const { breaker, post } = await open('defer')
  await Promise.all([post(), post(), post(), post(), post()])
  await until(() => breaker.isOpen)
  assert.equal(shown, 6)
  const { reply, ms } = await post()
  assert.equal(reply, '451 4.3.0 The message cannot be checked now, try again later')
  assert.ok(ms < QUICK_MS, `${ms} ms`)
})

test('mail that takes long to look at keeps nobody else from being scanned', async () => {
  const { breaker, post, found } = await open()
  meet = (socket) => {
    const { end } = socket
    let isBomb = false
    socket.end = (text?: unknown) => (isBomb ? socket : end.call(socket, text as string))
    asClamd((message) => {
      isBomb = message.includes('X-Bomb')
      return 'stream: OK\0'
    })(socket)
  }
  for (let i = 0; i < 4; i++) assert.ok((await post('X-Bomb: 1\r\n')).ms >= VERDICT_MS)
  // After the third it was shown one of ours.
  await until(() => shown === 5)
  assert.equal(breaker.isOpen, false)
  await post()
  assert.deepEqual(found(), ['clamav; clean'])
  // While others have their answers there is no need to ask.
  shown = 0
  for (let i = 0; i < 2; i++) await Promise.all([post('X-Bomb: 1\r\n'), post('X-Bomb: 1\r\n'), sleep(50).then(() => post())])
  assert.equal(shown, 6)
})

test('what fails at once is asked each time', async () => {
  const { breaker, post } = await open()
  meet = (socket) => socket.destroy()
  for (let i = 0; i < 8; i++) await post()
  assert.equal(shown, 8)
  assert.equal(breaker.isOpen, false)
  meet = silent
  await Promise.all([post(), post(), post()])
  await until(() => breaker.isOpen)
  await sleep(FIRST_MS)
  meet = (socket) => socket.destroy()
  await post()
  assert.equal(breaker.isOpen, false)
})

test('a host that is gone is known to be so after some seconds, and not by every message', async () => {
  const scanner: Scanner = {
    ...{ name: 'clamav', maxSize: 1_000_000, wantsName: false },
    start: () => ({
      write: async () => undefined,
      abort: () => undefined,
      async finish() {
        shown++
        await sleep(1_050)
        throw new Error('connect EHOSTUNREACH')
      },
    }),
  }
  const breaker = new Breaker(scanner, { firstMs: 60_000 })
  const house = await startHouse([ruleOf(scanner, { breaker })])
  houses.push(house)
  await Promise.all(Array.from({ length: 3 }, () => send(house.mx.port, letter())))
  await until(() => breaker.isOpen)
  assert.ok((await timed(send(house.mx.port, letter()))).ms < 1_000)
  assert.equal(shown, 4)
})

test('the time that it is left alone has an end', async () => {
  const { breaker, post } = await open('accept', FIRST_MS)
  await Promise.all([post(), post(), post()])
  await until(() => breaker.isOpen)
  for (let i = 0; i < 3; i++) {
    shown = 0
    await sleep(FIRST_MS + 50)
    await post()
    assert.equal(shown, 1)
  }
})
