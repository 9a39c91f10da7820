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
