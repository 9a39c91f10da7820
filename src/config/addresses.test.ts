import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveLists } from './addresses.ts'

const mailbox = (address: string, aliases: string[] = []) => ({ address, aliases }) as never
const base = { domains: ['x.test'], mailboxes: [mailbox('ann@x.test', ['info@x.test']), mailbox('bob@x.test')] }
const list = (address: string, ...members: string[]) => ({ address, members })

test('lists come out flat: everybody once, by the mailbox, and those elsewhere as they are written', () => {
  const lists = [
    list('all@x.test', 'team@x.test', 'TEAM+tag@x.test', 'Bob+x@x.test', 'Other@a.test', 'postmaster@x.test'),
    list('team@x.test', 'info@x.test', 'ann@x.test', 'other@A.test'),
  ]
  assert.deepEqual(resolveLists({ ...base, lists, postmaster: 'bob@x.test' }), [
    { address: 'all@x.test', owner: 'bob@x.test', members: ['ann@x.test', 'bob@x.test'], onward: ['Other@a.test'] },
    { address: 'team@x.test', owner: 'bob@x.test', members: ['ann@x.test'], onward: ['other@A.test'] },
  ])
})

test('a circle ends, and is told of once for each member that closes it', () => {
  // 300 lists, each with all the others in it.
  const names = Array.from({ length: 300 }, (_, i) => `l${i}@x.test`)
  const lists = names.map((name, i) => list(name, ...names.filter((_, n) => n !== i), `m${i}@a.test`))
  assert.equal(resolveLists({ ...base, lists: lists.slice(0, 40) })[0]!.onward.length, 40)
})
