import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import { Output } from '../../net/output.ts'
import { DataWriter } from './data-writer.ts'

async function wireOf(pieces: readonly string[]): Promise<string> {
  const got: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      got.push(Buffer.from(chunk))
      done()
    },
  })
  const out = new Output(sink)
  const text = new DataWriter(out)
  for (const piece of pieces) text.write(Buffer.from(piece, 'latin1'))
  text.end()
  await out.flush()
  return Buffer.concat(got).toString('latin1')
}

/** RFC 5321 §4.5.2, by the letter. */
function received(wire: string): string {
  assert.match(wire, /(?:^|\r\n)\.\r\n$/)
  const lines = wire.slice(0, -3).split('\r\n')
  return lines.map((line) => line.replace(/^\./, '')).join('\r\n')
}
const whole = (text: string): string => {
  const lines = text.replace(/\0/g, '').replace(/\r\n|\r|\n/g, '\r\n')
  return lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`
}
/** How the most careless reader would find an end: any line end, or none that others see. */
const LENIENT = /(?:^|[\r\n])\0*\.[\0 \t]*(?:[\r\n]|$)/g

function check(wire: string, text: string): void {
  assert.equal(received(wire), whole(text), JSON.stringify(text))
  assert.doesNotMatch(wire, /\r(?!\n)|(?<!\r)\n|\0/, JSON.stringify(text))
  // Lines of a dot and spaces are nobody's end as they stand here: their dot is doubled.
  const ends = [...wire.matchAll(LENIENT)].map(({ index }) => index)
  assert.deepEqual(ends, [wire.length - (wire === '.\r\n' ? 3 : 4)], JSON.stringify(text))
}

const PARTS = ['', '\r', '\n', '\r\n', '\n\r', '\r\r\n', '\r\n\n', '\0', '\r\0\n', '\r\n\0', '\0\r\n', ' ', 'a']

test('every text around a dot, cut at every octet, is one message to whoever reads it', async () => {
  for (const before of PARTS)
    for (const after of PARTS)
      for (const text of [`hello${before}.${after}`, `${before}.${after}MAIL FROM:<>\r\n.`, `.${before}..${after}.`]) {
        for (let cut = 0; cut <= text.length; cut++) check(await wireOf([text.slice(0, cut), text.slice(cut)]), text)
        check(await wireOf([...text]), text)
      }
})

test('random texts in random pieces', async () => {
  const random = seeded(11)
  for (let round = 0; round < 400; round++) {
    const text = Array.from({ length: random(40) }, () => ['\r', '\n', '\r\n', '.', '\0', 'x'][random(6)]).join('')
    const pieces: string[] = []
    for (let at = 0; at < text.length; ) {
      const size = 1 + random(5)
      pieces.push(text.slice(at, at + size))
      at += size
    }
    check(await wireOf(pieces), text)
  }
})

test('a text of nothing but what doubles, larger than any buffer', async () => {
  const text = '\n.'.repeat(100_000)
  assert.equal(received(await wireOf([text])), whole(text))
})
