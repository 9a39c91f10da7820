/** Against zlib's own streams as the other side: everything arrives at once and whole, in any cut, and nothing is kept that need not be. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import { seeded } from '../../test/support/random.ts'
import { DeflatedSocket, type NotDeflated } from './deflate.ts'
import { LineReader } from './lines.ts'
import { Output } from './output.ts'

const { Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_FULL_FLUSH } = constants

/** A socket as the other side sees it: `sent` is what came to it, `receive` is what it sends. */
class Pipe extends Duplex {
  sent: Buffer[] = []
  slow = false
  receive(octets: Buffer): void {
    this.push(octets)
  }
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.sent.push(Buffer.from(chunk))
    if (this.slow) setTimeout(done, 5)
    else done()
  }
}

interface Side {
  readonly pipe: Pipe
  readonly socket: DeflatedSocket
  readonly reader: LineReader
  readonly output: Output
  /** Compresses as a client does, with one stream for all. */
  compress(text: string | Buffer, flush?: number): Promise<Buffer>
  /** Decompresses all that was sent, with one stream for all. */
  received(): Promise<Buffer>
  readonly invalid: NotDeflated[]
}

function connected({ came = Buffer.alloc(0), level = 6 } = {}): Side {
  const pipe = new Pipe()
  const invalid: NotDeflated[] = []
  const socket = new DeflatedSocket(pipe, came, (why) => invalid.push(why))
  const deflate = createDeflateRaw({ level })
  const inflate = createInflateRaw()
  const out: Buffer[] = []
  inflate.on('data', (piece: Buffer) => out.push(piece))
  return {
    pipe,
    socket,
    invalid,
    reader: new LineReader(socket),
    output: new Output(socket),
    async compress(text, flush = Z_SYNC_FLUSH) {
      const pieces: Buffer[] = []
      const keep = (piece: Buffer): void => void pieces.push(piece)
      deflate.on('data', keep)
      deflate.write(text)
      await new Promise<void>((done) => deflate.flush(flush, done))
      await turn()
      deflate.off('data', keep)
      return Buffer.concat(pieces)
    },
    async received() {
      for (const piece of pipe.sent.splice(0)) await new Promise<void>((done) => void inflate.write(piece, () => done()))
      return Buffer.concat(out.splice(0))
    },
  }
}

const line = async (side: Side, max = 1 << 20): Promise<string | undefined> =>
  (await side.reader.readLine(max, { idleMs: 5_000 }))?.toString('latin1')

describe('what comes', () => {
  for (const [name, flush] of [
    ['sync', Z_SYNC_FLUSH],
    ['partial', Z_PARTIAL_FLUSH],
    ['full', Z_FULL_FLUSH],
  ] as const)
    test(`lines with a ${name} flush behind each, which refer to earlier ones`, async () => {
      const side = connected()
      for (let i = 0; i < 200; i++) {
        side.pipe.receive(await side.compress(`a${i} UID FETCH ${i}:* (FLAGS BODY.PEEK[HEADER])\r\n`, flush))
        assert.equal(await line(side), `a${i} UID FETCH ${i}:* (FLAGS BODY.PEEK[HEADER])`)
      }
      side.socket.destroy()
    })

  for (const level of [0, 1, 9])
    test(`cut anywhere, compressed at level ${level}`, async () => {
      const side = connected({ level })
      const random = seeded(level + 3)
      const lines = Array.from({ length: 300 }, (_, i) => `${i} ${'xyz'.repeat(random(40))}\0\xff\x00\xff${random(1e9)}`)
      const pieces: Buffer[] = []
      for (const one of lines) pieces.push(await side.compress(Buffer.from(`${one}\r\n`, 'latin1'), random(3) === 0 ? Z_PARTIAL_FLUSH : Z_SYNC_FLUSH))
      const all = Buffer.concat(pieces)
      void (async () => {
        for (let at = 0; at < all.length; ) {
          const size = random(4) === 0 ? random(300) + 1 : random(12) + 1
          side.pipe.receive(all.subarray(at, at + size))
          at += size
          await turn()
        }
      })()
      for (const one of lines) assert.equal(await line(side), one)
      side.socket.destroy()
    })

  test('a stored block that looks like a flush at the end of a piece', async () => {
    const side = connected({ level: 0 })
    const text = Buffer.from('abc\x00\x00\xff\xffdef\r\n', 'latin1')
    const octets = await side.compress(text)
    const cut = octets.indexOf(Buffer.from([0x63, 0x00, 0x00, 0xff, 0xff])) + 5
    side.pipe.receive(octets.subarray(0, cut))
    await turn()
    side.pipe.receive(octets.subarray(cut))
    assert.equal(await line(side), text.toString('latin1').trimEnd())
    side.socket.destroy()
  })

  test('what was read from the socket before counts', async () => {
    const came = deflateRawSync('a NOOP\r\n', { finishFlush: Z_SYNC_FLUSH })
    const side = connected({ came })
    assert.equal(await line(side), 'a NOOP')
    side.socket.destroy()
  })

  test('counted octets, more than the window, with lines around them', async () => {
    const side = connected()
    const random = seeded(5)
    const octets = Buffer.from(Array.from({ length: 200_000 }, () => random(7) * random(9)))
    const all = await side.compress(Buffer.concat([Buffer.from('before\r\n'), octets, Buffer.from('\r\nbehind\r\n')]))
    for (let at = 0; at < all.length; at += 16_384) side.pipe.receive(all.subarray(at, at + 16_384))
    assert.equal(await line(side), 'before')
    assert.ok((await side.reader.readExact(octets.length)).equals(octets))
    assert.deepEqual([await line(side), await line(side)], ['', 'behind'])
    side.pipe.receive(await side.compress(`${octets.toString('latin1', 190_000, 190_100).replace(/[\r\n]/g, '')}\r\nbehind\r\n`))
    await line(side)
    assert.equal(await line(side), 'behind')
    side.socket.destroy()
  })

  for (const [name, octets] of [
    ['plain text', Buffer.from('a1 NOOP\r\n')],
    ['a block of no kind', Buffer.from([0x07, 0x00])],
    ['something behind the last block', Buffer.concat([deflateRawSync('a NOOP\r\n'), Buffer.from('xyz')])],
  ] as const)
    test(`${name} is refused, once, and the input ends`, async () => {
      const side = connected()
      side.pipe.receive(octets)
      side.pipe.receive(Buffer.from('more'))
      while ((await line(side)) !== undefined) {
        // the line before the last block
      }
      assert.equal(side.invalid.length, 1)
      side.output.write('* BYE\r\n')
      await side.output.flush()
      assert.equal(String(await side.received()), '* BYE\r\n')
      side.socket.destroy()
    })
})

describe('a little that becomes much', () => {
  test('is read no faster than it is asked for', async () => {
    const side = connected()
    const bomb = deflateRawSync(Buffer.alloc(64 << 20, 'x'), { finishFlush: Z_SYNC_FLUSH })
    assert.ok(bomb.length < 80_000)
    const before = process.memoryUsage()
    for (let at = 0; at < bomb.length; at += 4_000) side.pipe.receive(bomb.subarray(at, at + 4_000))
    for (let i = 0; i < 200; i++) await turn()
    const after = process.memoryUsage()
    assert.ok(after.arrayBuffers - before.arrayBuffers < 4 << 20, `${after.arrayBuffers - before.arrayBuffers} octets`)
    await assert.rejects(side.reader.readLine(65_536), /longer/)
    side.socket.destroy()
  })
})

describe('what goes', () => {
  test('arrives with each flush, in order, whatever its size', async () => {
    const side = connected()
    const random = seeded(8)
    for (let i = 0; i < 60; i++) {
      const text = `${i} ${'lorem ipsum '.repeat(random(10) === 0 ? random(20_000) : random(30))}\r\n`
      side.output.write(text)
      await side.output.flush()
      while (side.socket.writableLength > 0) await turn()
      assert.equal(String(await side.received()), text)
    }
    side.socket.destroy()
  })

  test('is little when it is much', async () => {
    const side = connected()
    for (let i = 0; i < 20_000; i++) side.output.write(`* ${i} FETCH (UID ${i * 3} FLAGS (\\Seen))\r\n`)
    await side.output.flush()
    await side.socket.drained(5_000)
    const octets = side.pipe.sent.reduce((sum, { length }) => sum + length, 0)
    assert.ok(octets < 200_000, `${octets}`)
    side.socket.destroy()
  })

  test('waits where the other side takes nothing, and the caller with it', async () => {
    const side = connected()
    side.pipe._write = () => undefined
    for (let i = 0; i < 8; i++) side.output.write(Buffer.alloc(64 * 1024, i))
    const flushed = side.output.flush().then(() => 'flushed')
    assert.equal(await Promise.race([flushed, new Promise((done) => setTimeout(done, 100, 'waits'))]), 'waits')
    assert.ok(side.socket.writableLength <= 128 * 1024)
    side.socket.destroy()
    await assert.rejects(flushed)
  })

  test('drained: everything has left', async () => {
    const side = connected()
    side.pipe.slow = true
    side.output.write('x'.repeat(300_000))
    await side.output.flush()
    side.output.write('* BYE\r\n')
    await side.output.flush()
    await side.socket.drained(10_000)
    assert.match(String(await side.received()), /^x{300000}\* BYE\r\n$/)
    assert.ok(!side.pipe.destroyed)
    side.socket.destroy()
  })
})

describe('the end', () => {
  test('of the socket is that of the reader', async () => {
    const side = connected()
    side.pipe.receive(await side.compress('a\r\nb'))
    side.pipe.push(null)
    assert.equal(await line(side), 'a')
    assert.equal(await line(side), undefined)
    side.pipe.destroy()
    await turn()
    assert.ok(side.socket.destroyed)
  })

  test('of this is that of the socket', async () => {
    const side = connected()
    side.socket.destroy()
    await turn()
    assert.ok(side.pipe.destroyed)
  })
})
