import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { CrlfGain } from '../mail/crlf.ts'
import { DottedWriter } from './dots.ts'
import { Output } from './output.ts'

async function send(pieces: readonly Buffer[], regular: boolean): Promise<string> {
  const got: Buffer[] = []
  const out = new Output(
    new Writable({
      write(chunk: Buffer, _, done) {
        got.push(Buffer.from(chunk))
        done()
      },
    }),
  )
  const dotted = new DottedWriter(out, { regular })
  for (const piece of pieces) {
    dotted.write(piece)
    if (out.queued > 64 * 1024) await out.flush()
  }
  dotted.end()
  await out.flush()
  return Buffer.concat(got).toString('latin1')
}

/** As a client reads it (RFC 1939 §3): lines by CRLF up to the lone dot, one dot taken from those that begin with one. */
function receive(wire: string): string {
  const lines = wire.split('\r\n')
  const end = lines.indexOf('.')
  assert.equal(lines.slice(end).join('\r\n'), '.\r\n', 'nothing after the last dot, and no lone dot before it')
  return lines
    .slice(0, end)
    .map((line) => `${line.startsWith('.') ? line.slice(1) : line}\r\n`)
    .join('')
}

/** [message, whether it is regular, what the client has then] */
const CASES: [message: string, regular: boolean, received: string][] = [
  ['', true, ''],
  ['a\r\n', true, 'a\r\n'],
  ['.\r\n', true, '.\r\n'],
  ['..\r\n...\r\n.a\r\n', true, '..\r\n...\r\n.a\r\n'],
  ['a.\r\n.', true, 'a.\r\n.\r\n'],
  ['no end', true, 'no end\r\n'],
  ['a\nb\n', false, 'a\r\nb\r\n'],
  ['a\n.\nb\r\n', false, 'a\r\n.\r\nb\r\n'],
  ['\n.\r\n.\n', false, '\r\n.\r\n.\r\n'],
  ['a\rb\r', false, 'a\rb\r\r\n'],
  ['\r\n\r\n\0\xff', true, '\r\n\r\n\0\xff\r\n'],
  ['x\r\r\n.y', true, 'x\r\r\n.y\r\n'],
]
for (const [message, regular, received] of CASES)
  test(`${JSON.stringify(message)}, cut anywhere`, async () => {
    const octets = Buffer.from(message, 'latin1')
    for (const as of regular ? [true, false] : [false])
      for (let cut = 0; cut <= octets.length; cut++) {
        const wire = await send([octets.subarray(0, cut), octets.subarray(cut)], as)
        // A client splits at CRLF, so what a bare CR stands before needs no case of its own.
        assert.equal(receive(wire), received, `cut at ${cut}, regular ${as}`)
      }
    const gain = new CrlfGain()
    gain.write(octets)
    assert.equal(received.length, octets.length + gain.end(), 'the size that LIST gives')
  })

test('any octets: what is received has the size that was counted, and no lone dot within', async () => {
  const alphabet = ['\r', '\n', '.', 'a', '\r\n', '\r\n.']
  let seed = 1
  const random = (n: number): number => {
    seed = (seed * 48271) % 0x7fffffff
    return seed % n
  }
  for (let round = 0; round < 2000; round++) {
    const octets = Buffer.from(Array.from({ length: random(20) }, () => alphabet[random(alphabet.length)]).join(''), 'latin1')
    const cut = random(octets.length + 1)
    const received = receive(await send([octets.subarray(0, cut), octets.subarray(cut)], false))
    const gain = new CrlfGain()
    gain.write(octets)
    assert.equal(received.length, octets.length + gain.end(), JSON.stringify(octets.toString('latin1')))
  }
})

test('pieces larger than a block', async () => {
  const line = `.${'x'.repeat(75)}\r\n`
  const message = Buffer.from(line.repeat(5000))
  const pieces: Buffer[] = []
  for (let at = 0; at < message.length; at += 100_000) pieces.push(message.subarray(at, at + 100_000))
  const wire = await send(pieces, true)
  assert.ok(wire === `${`.${line}`.repeat(5000)}.\r\n`)
})

test('25 MiB of dots cost little', async () => {
  const piece = Buffer.alloc(256 * 1024, '..\r\n')
  const before = process.cpuUsage()
  await send(Array<Buffer>(100).fill(piece), true)
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1e6 < 2, `${(user + system) / 1e6} s of CPU`)
})
