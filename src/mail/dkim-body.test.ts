import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelaxedBody, SimpleBody } from './dkim-body.ts'

function canonical(Form: typeof RelaxedBody | typeof SimpleBody, body: string, step: number): string {
  let out = ''
  const form = new Form((octets) => {
    out += octets.toString('latin1')
  })
  const octets = Buffer.from(body, 'latin1')
  for (let at = 0; at < octets.length; at += step) form.write(octets.subarray(at, at + step))
  form.end()
  return out
}

const RUN = '\r\n'.repeat(2_000)
// body, simple, relaxed
const CASES: [string, string, string][] = [
  ['', '\r\n', ''],
  ['\r\n\r\n', '\r\n', ''],
  ['x', 'x\r\n', 'x\r\n'],
  ['x\r\n', 'x\r\n', 'x\r\n'],
  [' C \r\nD \t E\r\n\r\n\r\n', ' C \r\nD \t E\r\n', ' C\r\nD E\r\n'],
  ['\r\n\r\na\r\n\r\nb', '\r\n\r\na\r\n\r\nb\r\n', '\r\n\r\na\r\n\r\nb\r\n'],
  ['a\rb\r\r\n\r', 'a\rb\r\r\n\r\r\n', 'a\rb\r\r\n\r\r\n'],
  ['a\nb\r\n', 'a\nb\r\n', 'a\nb\r\n'],
  [' \t\r\n \r\n', ' \t\r\n \r\n', ''],
  [`${RUN}x${RUN}`, `${RUN}x\r\n`, `${RUN}x\r\n`],
]

test('both forms, the body in pieces of any size', () => {
  for (const [body, simple, relaxed] of CASES)
    for (const step of [1, 2, 3, 7, 10_000]) {
      assert.equal(canonical(SimpleBody, body, step), simple, JSON.stringify([body.slice(0, 40), step]))
      assert.equal(canonical(RelaxedBody, body, step), relaxed, JSON.stringify([body.slice(0, 40), step]))
    }
})

/** The rules as they are written, on the whole body at once. */
const plainly = {
  simple: (body: string): string => `${body.replace(/(?:\r\n)+$/, '')}\r\n`,
  relaxed(body: string): string {
    const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''))
    const text = lines.join('\r\n').replace(/(?:\r\n)+$/, '')
    return text === '' ? '' : `${text}\r\n`
  },
}

test('random bodies come out as the rules say', () => {
  const pieces = ['a', 'b', ' ', '\t', '\r\n', '\r\n', '\xe4', 'x'.repeat(30)]
  for (let round = 0; round < 1_000; round++) {
    const length = Math.floor(Math.random() * (round % 100 === 0 ? 4_000 : 20))
    const body = Array.from({ length }, () => pieces[Math.floor(Math.random() * pieces.length)]).join('')
    const step = 1 + Math.floor(Math.random() * (round % 100 === 0 ? 20_000 : 9))
    assert.equal(canonical(SimpleBody, body, step), plainly.simple(body), JSON.stringify([body, step]))
    assert.equal(canonical(RelaxedBody, body, step), plainly.relaxed(body), JSON.stringify([body, step]))
  }
})
