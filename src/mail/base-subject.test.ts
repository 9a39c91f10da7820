import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { baseSubject } from './base-subject.ts'

describe('baseSubject', () => {
  for (const [subject, text, isReply] of [
    ['', '', false],
    ['hello', 'hello', false],
    ['Re: hello', 'hello', true],
    ['RE: hello', 'hello', true],
    ['Re : hello', 'hello', true],
    ['re:re: fw: FWD: hello', 'hello', true],
    ['Re[2]: hello', 'hello', true],
    ['Re [2]  : hello', 'hello', true],
    ['fwd[x]: hello', 'hello', true],
    ['Return: hello', 'Return: hello', false],
    ['Re hello', 'Re hello', false],
    ['AW: hello', 'AW: hello', false],
    ['hello (fwd)', 'hello', true],
    ['hello (FWD) (fwd)  ', 'hello', true],
    ['(fwd)', '', true],
    ['[list] hello', 'hello', false],
    ['[list] Re: hello', 'hello', true],
    ['[a] [b] Re: [c] hello', 'hello', true],
    ['[a][b] hello', 'hello', false],
    ['[list]', '[list]', false],
    ['[a] [b]', '[b]', false],
    ['Re: [a] [b]', '[b]', true],
    ['Re:', '', true],
    ['[a [b] c', '[a [b] c', false],
    ['[fwd: hello]', 'hello', true],
    ['[Fwd: Re: hello (fwd)]', 'hello', true],
    ['[fwd: [list] hello]', 'hello', true],
    ['Re: [fwd: [fwd: hello]]', 'hello', true],
    ['[fwd: a] b', 'b', false],
    ['[fwd:]', '', true],
    ['[fwd:', '[fwd:', false],
    ['  a \t  b  ', 'a b', false],
    ['=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=', 'Grüße', true],
    ['Re: =?iso-8859-1?q?=C4?= =?iso-8859-1?q?rger?=', 'Ärger', true],
    ['İRe: x', 'İRe: x'.normalize('NFC'), false],
  ] as const)
    test(JSON.stringify(subject), () => {
      const found = baseSubject(Buffer.from(subject, 'utf8').toString('latin1'))
      assert.deepEqual(found, { text, isReply })
    })

  test('takes time that grows with the length', () => {
    const n = 20_000
    for (const subject of [
      '[a]'.repeat(n),
      `${'[a]'.repeat(n)}x`,
      're:'.repeat(n),
      '[fwd:'.repeat(n) + ']'.repeat(n),
      '(fwd)'.repeat(n),
      `[${'a'.repeat(n)}`,
      '['.repeat(n),
      're['.repeat(n),
    ]) {
      const start = performance.now()
      baseSubject(subject)
      assert.ok(performance.now() - start < 500, subject.slice(0, 10))
    }
  })
})
