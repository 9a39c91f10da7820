import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { messageIds } from './message-ids.ts'

describe('messageIds', () => {
  for (const [value, ids] of [
    ['', []],
    ['<a@b>', ['a@b']],
    ['<a@b> <c@d>\t<e@f>', ['a@b', 'c@d', 'e@f']],
    ['<a@b><c@d>', ['a@b', 'c@d']],
    ['<"a"@b>', ['a@b']],
    ['<"a\\"b c"@d>', ['a"b c@d']],
    ['<a@[1.2.3.4]>', ['a@[1.2.3.4]']],
    ['<a@[1.2\\.3]>', ['a@[1.2.3]']],
    ['Ann <ann> wrote <a@b> (<c@d>)', ['a@b', 'c@d']],
    ['<a> <@b> <a@> <a b@c> <a@b', []],
    ['<<a@b>', ['a@b']],
    ['<A@b> <a@b>', ['A@b', 'a@b']],
    ['"Your message of <a@b>"', ['a@b']],
    [`<${'x'.repeat(2000)}@y> <a@b>`, ['a@b']],
  ] as const)
    test(JSON.stringify(value.slice(0, 60)), () => assert.deepEqual(messageIds(value), ids))

  test('no more than are wanted', () => assert.deepEqual(messageIds('<a@b> <c@d>', 1), ['a@b']))

  test('takes time that grows with the length', () => {
    for (const part of ['<', '<"', '<"\\', '<a@', '<a@[', '<a@b>', '<"\\"']) {
      const start = performance.now()
      messageIds(part.repeat(60_000))
      assert.ok(performance.now() - start < 500, part)
    }
  })
})
