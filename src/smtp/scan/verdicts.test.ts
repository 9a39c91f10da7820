/** Answers made up at random: each is refused in words, or a verdict that can stand in a header and in a reply. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scanResult } from '../../mail/scan-results.ts'
import { MAX_REPLY_TEXT } from '../reply.ts'
import { verdictOf as ofClamd } from './clamd.ts'
import { verdictOf as ofRspamd } from './rspamd-reply.ts'
import type { Verdict } from './scanner.ts'

const RUNS = 1_000
/** xorshift32: the same answers in each run. */
let state = 0x2545f491
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}
const pick = <T>(from: readonly T[]): T => from[random(from.length)]!
const TEXTS = [
  '',
  'GTUBE',
  'a\r\nX-Evil: 1',
  '; ',
  '\0',
  'ü\u{1f600}',
  'x'.repeat(2_000),
  '__proto__',
  'constructor',
  '550 5.7.1',
  '\u2028',
  '\x7f\x80',
]
const text = (): string => pick(TEXTS) + pick(TEXTS)

function value(depth = 0): unknown {
  const kind = random(depth > 3 ? 5 : 7)
  if (kind === 0) return text()
  if (kind === 1) return pick([0, -1.5, 1e308, -0, 7.249, 1e21])
  if (kind === 2) return pick([null, true, false])
  if (kind < 5) return pick(['reject', 'no action', 'add header', 'soft reject', 'greylist'])
  if (kind === 5) return Array.from({ length: random(4) }, () => value(depth + 1))
  return Object.fromEntries(Array.from({ length: random(depth === 0 ? 60 : 4) }, () => [text(), value(depth + 1)]))
}

/** undefined: refused, with words. */
function verdict(read: () => Verdict): Verdict | undefined {
  try {
    return read()
  } catch (err) {
    assert.ok(err instanceof Error && err.constructor === Error && /^it(?:s| says)/.test(err.message), String(err))
    return undefined
  }
}

function check({ shown, reason, wanted }: Verdict): void {
  for (const word of shown) assert.match(word, /^[\x20-\x3a\x3c-\x7e]{1,128}$/)
  const [first, ...more] = scanResult(['x', ...shown]).split('\r\n')
  assert.match(first!, /^X-Postern-Scan: x;/)
  assert.equal(more.pop(), '')
  for (const line of more) assert.match(line, /^\t[\x21-\x7e]/)
  assert.match(reason, /^[\x20-\x7e]*$/)
  assert.ok(reason.length <= MAX_REPLY_TEXT)
  if (wanted === 'reject' || wanted === 'later') assert.notEqual(reason, '')
}

test('rspamd', () => {
  let read = 0
  for (let i = 0; i < RUNS; i++) {
    const said: Record<string, unknown> = {
      action: 'reject',
      score: 7,
      required_score: 15,
      symbols: { A: { score: 1 } },
      messages: { smtp_message: 'no' },
    }
    for (const key of ['symbols', 'messages', ...(random(2) ? [pick(Object.keys(said))] : [])]) said[key] = value()
    if (random(3) === 0) said['messages'] = { smtp_message: text() }
    let answer = JSON.stringify(said)
    if (random(4) === 0) answer = answer.slice(0, random(answer.length))
    const found = verdict(() => ofRspamd(answer))
    if (!found) continue
    read++
    check(found)
    assert.ok(scanResult(found.shown).length < 4_096)
  }
  assert.ok(read > RUNS / 4 && read < RUNS, `${read} of ${RUNS}`)
})

test('clamd', () => {
  let read = 0
  for (let i = 0; i < RUNS; i++) {
    const found = verdict(() => ofClamd(pick(['stream: ', 'stream:', text()]) + text() + pick([' FOUND', ' ERROR', 'OK', ' FOUND\n'])))
    if (!found) continue
    read++
    check(found)
  }
  assert.ok(read > RUNS / 20 && read < RUNS, `${read} of ${RUNS}`)
})
