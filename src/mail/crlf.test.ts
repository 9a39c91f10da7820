import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CrlfGain } from './crlf.ts'

const CASES: [message: string, gain: number][] = [
  ['', 0],
  ['a\r\n', 0],
  ['a\r\nb\r\n', 0],
  ['a', 2],
  ['a\r\nb', 2],
  ['a\nb\n', 2],
  ['a\nb', 3],
  ['\n', 1],
  ['\r\n', 0],
  ['a\r', 2],
  ['a\rb\r\n', 0],
  ['a\r\r\n', 0],
  ['\n\n\r\n', 2],
  ['\0\n\0', 3],
]
for (const [message, gain] of CASES)
  test(`${JSON.stringify(message)} gains ${gain}, cut anywhere`, () => {
    const octets = Buffer.from(message, 'latin1')
    for (let cut = 0; cut <= octets.length; cut++) {
      const counter = new CrlfGain()
      counter.write(octets.subarray(0, cut))
      counter.write(octets.subarray(cut))
      assert.equal(counter.end(), gain, `cut at ${cut}`)
    }
  })

test('25 MiB of short lines', () => {
  const octets = Buffer.alloc(25 << 20, '..\n')
  const counter = new CrlfGain()
  const before = process.cpuUsage()
  counter.write(octets)
  assert.equal(counter.end(), Math.floor(octets.length / 3) + (octets.length % 3 ? 2 : 0))
  assert.ok(process.cpuUsage(before).user < 3_000_000)
})
