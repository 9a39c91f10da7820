import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FLAGS, NO_FLAGS } from './flags.ts'
import { foreignName, isForeign, shownName } from './foreign.ts'
import { ALL_RIGHTS, changedRights, flagsWithin, mayWrite, namesWithin, parseAclChange, parseRights, rightsOf, shownRights } from './rights.ts'

test('rights are read in any order, obsolete ones as what they stand for, unknown ones not at all', () => {
  for (const [text, rights] of [
    ['', ''],
    ['srl', 'lrs'],
    ['lllr', 'lr'],
    ['c', 'kx'],
    ['d', 'te'],
    ['lrswipcda', ALL_RIGHTS],
    ['lR', undefined],
    ['lr0', undefined],
    ['l r', undefined],
    ['l\u0000', undefined],
    ['é', undefined],
  ] as const)
    assert.equal(parseRights(text), rights, JSON.stringify(text))
})

test('changes', () => {
  const changed = (before: string, text: string) => {
    const change = parseAclChange(text)
    return change && changedRights(before, change)
  }
  assert.equal(changed('lr', '+sd'), 'lrste')
  assert.equal(changed('lrste', '-d'), 'lrs')
  assert.equal(changed('lrs', ''), '')
  assert.equal(changed('lrs', '+'), 'lrs')
  assert.equal(changed('lrs', 'a'), 'a')
  for (const text of ['++l', '+-l', 'l+', '+q', ' l']) assert.equal(changed('lrs', text), undefined, text)
})

test('clients are told of obsolete rights where any of what they stand for is there', () => {
  for (const [rights, shown] of [
    ['', ''],
    ['lr', 'lr'],
    ['lrk', 'lrkc'],
    ['lrx', 'lrxc'],
    ['lrea', 'lreda'],
    ['a', 'a'],
    [ALL_RIGHTS, 'lrswipkxtecda'],
  ] as const)
    assert.equal(shownRights(rights), shown)
})

test('what is given is added up, and what is negative taken from the sum', () => {
  const entries = [
    { identifier: 'ann@x.test', rights: 'lr' },
    { identifier: 'anyone', rights: 'ls' },
    { identifier: '-anyone', rights: 's' },
    { identifier: '-ann@x.test', rights: 'r' },
    { identifier: 'bob@x.test', rights: ALL_RIGHTS },
  ]
  assert.equal(rightsOf('ann@x.test', entries), 'l')
  assert.equal(rightsOf('eve@x.test', entries), 'l')
  assert.equal(rightsOf('bob@x.test', entries), ALL_RIGHTS.replace('s', ''))
  assert.equal(rightsOf('', []), '')
})

test('flags by rights', () => {
  assert.deepEqual(flagsWithin(ALL_RIGHTS), ALL_FLAGS)
  assert.deepEqual(flagsWithin('lri'), NO_FLAGS)
  assert.deepEqual(flagsWithin('s'), { lo: 8, hi: 0 })
  assert.deepEqual(flagsWithin('ts'), { lo: 12, hi: 0 })
  assert.deepEqual(flagsWithin('w'), { lo: 0xfffffff3, hi: 0x7fffffff })
  assert.deepEqual(namesWithin('sw', ['\\seen', '\\Deleted', '\\Flagged', 'x']), ['\\seen', '\\Flagged', 'x'])
  assert.deepEqual(namesWithin('t', ['\\DELETED', 'Deleted']), ['\\DELETED'])
  assert.deepEqual(
    ['lrkxpa', ...'iswte'].map((rights) => mayWrite(rights)),
    [false, true, true, true, true, true],
  )
})

test('names of others: one for each mailbox, and what looks like one is none', () => {
  for (const [owner, name] of [
    ['ann@x.test', 'INBOX'],
    ['ann@x.test', 'a/b/c'],
    ['a/b@x.test', 'c/d'],
    ['"a b"@x.test', 'Sent'],
    ['"a@b/c"@x.test', 'Sent'],
    ['public', 'News/Today'],
  ] as const) {
    const shown = shownName({ owner, name })
    assert.ok(isForeign(shown))
    assert.deepEqual(foreignName(shown), { owner, name }, shown)
  }
  for (const name of [
    'Shared',
    'Shared/',
    'Shared/x',
    'Shared/ann@x.test',
    'Shared/ann@x.test/',
    'Shared/Ann@x.test/b',
    'Public',
    'Public/',
    'Other/ann@x.test/b',
  ])
    assert.equal(foreignName(name), undefined, name)
  for (const name of ['shared/x', 'SharedX/y', 'INBOX', 'Publication', '/Shared/x']) assert.ok(!isForeign(name), name)
})
