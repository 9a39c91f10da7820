import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { byName, matcher, parentsOf } from './mailbox-names.ts'
import { No } from './reply.ts'

describe('patterns', () => {
  const names = ['INBOX', 'INBOX/a', 'Sent', 'a', 'a/b', 'a/b/c', 'a/bc', 'b/a', 'aXb', 'Inbox2', 'ä/ö']
  const cases: [pattern: string, matched: string[]][] = [
    ['*', names],
    ['%', ['INBOX', 'Sent', 'a', 'aXb', 'Inbox2']],
    ['a', ['a']],
    ['a/%', ['a/b', 'a/bc']],
    ['a/*', ['a/b', 'a/b/c', 'a/bc']],
    ['a*', ['a', 'a/b', 'a/b/c', 'a/bc', 'aXb']],
    ['a%b', ['aXb']],
    ['a*b', ['a/b', 'aXb']],
    ['%/%', ['INBOX/a', 'a/b', 'a/bc', 'b/a', 'ä/ö']],
    ['%/%/%', ['a/b/c']],
    ['*c', ['a/b/c', 'a/bc']],
    ['*%c', ['a/b/c', 'a/bc']],
    ['inbox', ['INBOX']],
    ['inbox/%', ['INBOX/a']],
    ['iNb*', ['INBOX']],
    ['Inb*', ['INBOX', 'Inbox2']],
    ['sent', []],
    ['%nbox%', ['INBOX', 'Inbox2']],
    ['a/b/', []],
    ['?', []],
    ['.', []],
    ['ä/%', ['ä/ö']],
  ]
  for (const [pattern, matched] of cases) test(pattern, () => assert.deepEqual(names.filter(matcher(pattern)), matched))

  test('against a plain recursive matcher', () => {
    const slow = (name: string, pattern: string): boolean => {
      if (pattern === '') return name === ''
      if (pattern[0] === '*' || pattern[0] === '%')
        return slow(name, pattern.slice(1)) || (name !== '' && (pattern[0] === '*' || name[0] !== '/') && slow(name.slice(1), pattern))
      return name[0] === pattern[0] && slow(name.slice(1), pattern.slice(1))
    }
    const random = seeded(5)
    const word = (alphabet: string): string => Array.from({ length: random(8) }, () => alphabet[random(alphabet.length)]).join('')
    for (let i = 0; i < 20_000; i++) {
      const [name, pattern] = [word('ab/'), word('ab/*%')]
      assert.equal(matcher(pattern)(name), slow(name, pattern), `${pattern} on ${name}`)
    }
  })

  test('the worst pattern on 1,000 of the longest names', () => {
    const wanted = matcher(`${'a%'.repeat(49)}${'a'.repeat(100)}b`)
    const name = 'a'.repeat(255)
    const before = process.cpuUsage()
    for (let i = 0; i < 1000; i++) assert.ok(!wanted(name))
    const { user } = process.cpuUsage(before)
    assert.ok(user < 2_000_000, `${user / 1000} ms`)
  })

  test('more wildcards than any client needs', () => assert.throws(() => matcher('a%'.repeat(51)), No))
  test('more than a name can hold', () => assert.equal(matcher(`*${'a'.repeat(256)}`)('a'), false))
})

test('parents', () => assert.deepEqual([...parentsOf(['a/b/c', 'a/d', 'x'])], ['a', 'a/b']))

test('order', () => assert.deepEqual(['b', 'a/b', 'INBOX/z', 'a', 'INBOX', 'B'].sort(byName), ['INBOX', 'INBOX/z', 'B', 'a', 'a/b', 'b']))
