import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { Disconnected } from './connection.ts'
import { BLOCK, Output, WriteStalled } from './output.ts'

/** Takes what is written when the test lets it. */
class Sink extends Duplex {
  got: Buffer[] = []
  writes = 0
  open = true
  #held: (() => void) | undefined
  constructor() {
    super({ writableHighWaterMark: 16 * 1024 })
  }
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.writes++
    const take = (): void => {
      this.got.push(Buffer.from(chunk))
      done()
    }
    if (this.open) take()
    else this.#held = take
  }
  release(): void {
    this.#held?.()
    this.#held = undefined
  }
  get text(): string {
    return Buffer.concat(this.got).toString('latin1')
  }
}

test('pieces are gathered into one write, in order, at flush and not before', async () => {
  const sink = new Sink()
  const out = new Output(sink)
  out.write('* OK ')
  out.write(Buffer.from('ready'))
  out.write('\r\n\xff')
  assert.equal(sink.writes, 0)
  assert.equal(out.queued, 13)
  await out.flush()
  assert.equal(sink.writes, 1)
  assert.equal(sink.text, '* OK ready\r\n\xff')
  assert.equal(out.queued, 0)
})

test('send gives it to the socket in the same turn, and is a promise only where that must be waited for', async () => {
  const sink = new Sink()
  const out = new Output(sink)
  out.write('at once')
  assert.equal(out.send(), undefined)
  assert.equal(sink.text, 'at once')
  sink.open = false
  out.write(', taken later')
  assert.equal(out.send(), undefined, 'the socket has it')
  out.write(', after that')
  const sending = out.send()
  assert.ok(sending, 'the socket holds a piece that it was given before')
  sink.open = true
  sink.release()
  await sending
  assert.equal(sink.text, 'at once, taken later, after that')
  sink.destroy()
  out.write('to nobody')
  await assert.rejects(async () => out.send(), Disconnected)
})

test('write and flush again before the first flush is awaited', async () => {
  const sink = new Sink()
  const out = new Output(sink)
  out.write('a')
  const first = out.flush()
  out.write('b')
  const second = out.flush()
  await Promise.all([first, second])
  assert.equal(sink.text, 'ab')
})

test('any mix of sizes comes out as it went in', async () => {
  for (const sizes of [
    [1, 40_000, 1],
    [BLOCK - 1, 1, 1],
    [BLOCK, BLOCK + 1, 7],
    [31_000, 31_000, 31_000, 200_000, 3],
    [5000, 5000, 4096, 4097, 0, 10],
  ]) {
    const sink = new Sink()
    const out = new Output(sink)
    let expected = ''
    for (const [i, size] of sizes.entries()) {
      const text = String.fromCharCode(97 + i).repeat(size)
      expected += text
      out.write(i % 2 ? Buffer.from(text) : text)
      if (i % 3 === 2) await out.flush()
    }
    await out.flush()
    assert.ok(sink.text === expected, `sizes ${sizes}`)
  }
})

test('utf8 where it is asked for', async () => {
  const sink = new Sink()
  const out = new Output(sink)
  out.write('Grüße €', 'utf8')
  await out.flush()
  assert.equal(Buffer.concat(sink.got).toString('utf8'), 'Grüße €')
})

test('reserve and commit write into the block', async () => {
  const sink = new Sink()
  const out = new Output(sink)
  for (let n = 0; n < 30_000; n++) {
    const { block, start } = out.reserve(16)
    out.commit(start + block.write(`${n} `, start, 'latin1'))
    if (out.queued >= BLOCK) await out.flush()
  }
  await out.flush()
  assert.equal(sink.text, Array.from({ length: 30_000 }, (_, n) => `${n} `).join(''))
})

test('a large buffer is passed on without a copy', async () => {
  const sink = new Sink()
  sink.open = false
  const out = new Output(sink)
  const large = Buffer.alloc(40_000, 'a')
  out.write('x')
  out.write(large)
  void out.flush()
  large.fill('b')
  sink.open = true
  sink.release()
  await out.flush()
  await new Promise(setImmediate)
  assert.equal(sink.text, `x${'b'.repeat(40_000)}`)
})

test('blocks that are reused do not change what is on its way', async () => {
  const slow = new Sink()
  slow.open = false
  const out = new Output(slow)
  out.write('a'.repeat(20_000))
  await out.flush()
  const other = new Sink()
  const second = new Output(other)
  second.write('b'.repeat(20_000))
  await second.flush()
  slow.open = true
  slow.release()
  await new Promise(setImmediate)
  assert.equal(slow.text, 'a'.repeat(20_000))
  assert.equal(other.text, 'b'.repeat(20_000))
})

test('flush waits for a slow reader and keeps little in flight', async () => {
  const sink = new Sink()
  sink.open = false
  const out = new Output(sink)
  const piece = Buffer.alloc(BLOCK, 'p')
  let flushed = 0
  const run = (async () => {
    for (let i = 0; i < 20; i++) {
      out.write(piece)
      await out.flush()
      flushed++
    }
  })()
  await new Promise((done) => setTimeout(done, 20))
  assert.ok(flushed <= 1, `${flushed} blocks went out with nobody reading`)
  assert.ok(sink.writableLength <= 2 * BLOCK)
  const pull = setInterval(() => sink.release(), 1)
  await run
  while (sink.got.length < 20) await new Promise(setImmediate)
  clearInterval(pull)
  assert.equal(sink.text.length, 20 * BLOCK)
})

test('a client that takes nothing is given up, one that takes little is not', async () => {
  const dead = new Sink()
  dead.open = false
  const out = new Output(dead, { stallMs: 50 })
  out.write(Buffer.alloc(3 * BLOCK))
  await assert.rejects(out.flush(), WriteStalled)
  assert.ok(dead.destroyed)

  const slow = new Sink()
  slow.open = false
  const pull = setInterval(() => slow.release(), 30)
  const patient = new Output(slow, { stallMs: 80 })
  patient.write(Buffer.alloc(8 * BLOCK))
  await patient.flush()
  clearInterval(pull)
})

test('a closed connection rejects flush, wakes a waiting one, and keeps nothing', async () => {
  const sink = new Sink()
  sink.on('error', () => undefined)
  sink.open = false
  const out = new Output(sink)
  out.write(Buffer.alloc(3 * BLOCK))
  const waiting = out.flush()
  sink.destroy(new Error('ECONNRESET'))
  await assert.rejects(waiting, Disconnected)
  for (let i = 0; i < 100; i++) out.write(Buffer.alloc(BLOCK))
  out.write('text')
  await assert.rejects(out.flush(), Disconnected)
  assert.ok(out.queued <= 3 * BLOCK)
})

test('what is flushed while the socket has a piece goes into the next one: none lies beside another, which it would copy', async () => {
  const sink = new Sink()
  let together = 0
  const writev = (chunks: { chunk: Buffer }[], done: () => void): void => {
    together++
    sink.got.push(...chunks.map(({ chunk }) => chunk))
    done()
  }
  Object.assign(sink, { _writev: writev })
  sink.open = false
  const out = new Output(sink)
  const flushed: Promise<void>[] = []
  for (const text of 'abcde') {
    out.write(text.repeat(5000))
    flushed.push(out.flush())
  }
  sink.release()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(sink.writes, 2)
  sink.release()
  await Promise.all(flushed)
  assert.equal(together, 0)
  assert.equal(sink.text, [...'abcde'].map((text) => text.repeat(5000)).join(''))
})
