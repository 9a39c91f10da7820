import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, isMeant } from './metadata.ts'

const found = (entry: string, value: string) => ({ entry, value: Buffer.from(value), size: value.length })

test('an entry that was asked for by name is NIL where there is none, and said as it was written', () => {
  const asked = new Map([
    ['/shared/b', '/Shared/B'],
    ['/shared/a', '/shared/a'],
  ])
  const query = { entries: [...asked.keys()], depth: 0 } as const
  assert.deepEqual(answer(asked, query, [found('/shared/b', 'x')]), {
    entries: [
      ['/Shared/B', Buffer.from('x')],
      ['/shared/a', undefined],
    ],
    left: 0,
  })
})

test('below an entry only what there is is said, in order; what is too large is counted', () => {
  const asked = new Map([['/private', '/private']])
  const query = { entries: ['/private'], depth: 'infinity', maxSize: 2 } as const
  const there = [found('/private/z', '12'), found('/private/a/b', '1'), found('/private/m', '123'), found('/private/n', '12345')]
  assert.deepEqual(answer(asked, query, there), {
    entries: [
      ['/private/a/b', Buffer.from('1')],
      ['/private/z', Buffer.from('12')],
    ],
    left: 5,
  })
  assert.deepEqual(answer(asked, query, []), { entries: [], left: 0 })
})

for (const [entry, entries, depth, expected] of [
  ['/private/a', ['/private/a'], 0, true],
  ['/private/a/b', ['/private/a'], 0, false],
  ['/private/a/b', ['/private/a'], 1, true],
  ['/private/a/b/c', ['/private/a'], 1, false],
  ['/private/a/b/c', ['/private/a'], 'infinity', true],
  ['/private/ab', ['/private/a'], 'infinity', false],
  ['/shared/a', ['/private', '/shared'], 1, true],
  ['/shared/a', [], 'infinity', false],
] as const)
  test(`${entry} of ${entries.join(' ')}, ${depth}: ${expected}`, () => assert.equal(isMeant(entry, { entries, depth }), expected))
