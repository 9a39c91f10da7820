import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNamed, readPolicy, stsIdOf } from './policy.ts'

test('the record: one of its kind, with an id', () => {
  for (const record of [
    'v=STSv1; id=20160831085700Z;',
    'v=STSv1;id=20160831085700Z',
    'v=STSv1 ; id = 20160831085700Z ; more=a:b/c',
    'v=STSv1;x.y-z=1;id=20160831085700Z;',
  ])
    assert.equal(stsIdOf([record]), '20160831085700Z', record)
  assert.equal(stsIdOf(['v=spf1 -all', 'v=STSv1; id=a1', 'something']), 'a1')
  for (const records of [
    [],
    ['v=STSv1; id=a', 'v=STSv1; id=b'],
    ['v=STSv1;'],
    ['v=STSv1'],
    ['v=STSv1; id='],
    ['v=STSv1; id=a-b'],
    [`v=STSv1; id=${'a'.repeat(33)}`],
    ['v=STSv1; id=a; id=b'],
    ['v=STSv1; id=a; rubbish'],
    ['v=STSv1;; id=a'],
    ['v=STSv2; id=a'],
    ['V=STSV1; id=a'],
    [' v=STSv1; id=a'],
    ['id=a; v=STSv1'],
  ])
    assert.equal(stsIdOf(records), undefined, records.join(' | '))
})

const DAY = 86_400
const lines = (...all: string[]): string => all.join('\r\n')

test('the policy: its fields in any order and line end, the first of each, unknown ones passed over', () => {
  const policy = { mode: 'enforce', mx: ['mail.example.com', '*.example.net'], maxAge: 604_800 }
  const fields = ['version: STSv1', 'mode: enforce', 'mx: mail.example.com', 'mx: *.Example.NET.', 'max_age: 604800']
  assert.deepEqual(readPolicy(lines(...fields, '')), policy)
  assert.deepEqual(readPolicy(fields.join('\n')), policy)
  assert.deepEqual(
    readPolicy(lines(fields[4]!, fields[2]!, '', 'x-new: what', fields[3]!, 'no field at all', fields[1]!, 'mode: none', `${fields[0]} \t`)),
    policy,
  )
  assert.deepEqual(readPolicy(lines('version:STSv1', 'mode:none', 'max_age:0')), { mode: 'none', mx: [], maxAge: DAY })
  assert.equal(readPolicy(lines(...fields.slice(0, 4), 'max_age: 9999999999'))?.maxAge, 31_557_600)
  assert.deepEqual(readPolicy(lines(...fields, 'mx: .example.org', 'mx: *', 'mx: a b', `mx: ${'a'.repeat(300)}`, 'mx: *.*.test')), policy)
})

test('no policy: fields that are missing or make no sense', () => {
  const good = { version: 'STSv1', mode: 'enforce', mx: 'mail.example.com', max_age: '86400' }
  const write = (fields: object): string => lines(...Object.entries(fields).map(([key, value]) => `${key}: ${value}`))
  assert.ok(readPolicy(write(good)))
  for (const wrong of [
    ...Object.keys(good).map((key) => ({ ...good, [key]: '' })),
    { ...good, version: 'STSv2' },
    { ...good, mode: 'report' },
    { ...good, max_age: '-1' },
    { ...good, max_age: '1e9' },
    { ...good, mx: '*' },
  ])
    assert.equal(readPolicy(write(wrong)), undefined, write(wrong))
  assert.equal(readPolicy(''), undefined)
  assert.equal(readPolicy('<html>\nversion of nothing'), undefined)
  assert.equal(readPolicy(lines(write(good), ...Array<string>(200).fill('mx: a.test'))), undefined)
})

test('hosts: names in any case, and one label where a star is', () => {
  const policy = { mx: ['mail.example.com', '*.example.net'] }
  for (const host of ['mail.example.com', 'MAIL.example.COM', 'mx1.example.net']) assert.ok(isNamed(host, policy), host)
  for (const host of [
    'example.com',
    'x.mail.example.com',
    'example.net',
    'a.b.example.net',
    'evilexample.net',
    '.example.net',
    'mail.example.com.evil',
    'net',
  ])
    assert.ok(!isNamed(host, policy), host)
})

test('a policy as long as one may be takes no time, whatever stands in it', () => {
  const began = performance.now()
  for (const value of [`a${' '.repeat(64_000)}x`, '\t '.repeat(32_000), `${'a.'.repeat(32_000)}!`, ' x'.repeat(32_000)])
    assert.equal(readPolicy(`version: STSv1\nmode: enforce\nmax_age: 86400\nmx: ${value}`), undefined)
  assert.ok(performance.now() - began < 1_000, `${performance.now() - began} ms`)
})
