import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DnsTrouble } from './dns.ts'
import { Places, zoneOf } from './places.ts'

test('the zone of a name, about', () => {
  for (const [name, zone] of [
    ['mx1.mail.one.test', 'one.test'],
    ['one.test', 'one.test'],
    ['test', 'test'],
    ['_dmarc.one.co.uk', 'one.co.uk'],
    ['co.uk', 'co.uk'],
    ['a.b.example.de', 'example.de'],
    ['4.3.2.1.in-addr.arpa', '2.1.in-addr.arpa'],
    [`${'0.'.repeat(24)}8.b.d.0.1.0.0.2.ip6.arpa`, '8.b.d.0.1.0.0.2.ip6.arpa'],
  ] as const)
    assert.equal(zoneOf(name), zone)
})

test('one zone has a part of the places, and of those who wait each zone has its turn', async () => {
  const places = new Places({ total: 4, perZone: 2 })
  const entered: string[] = []
  const leave: Record<string, () => void> = {}
  const enter = (name: string) =>
    places.enter(name).then((left) => {
      entered.push(name)
      leave[name] = left
    })
  const all = ['1.a.test', '2.a.test', '3.a.test', '4.a.test', '1.b.test', '1.c.test', '2.c.test', '2.b.test', '1.d.test'].map(enter)
  await Promise.resolve()
  await all[5]
  assert.deepEqual(entered, ['1.a.test', '2.a.test', '1.b.test', '1.c.test'])
  // Its zone is first, and has a place again.
  leave['1.a.test']!()
  await all[2]
  leave['1.b.test']!()
  await all[6]
  leave['2.c.test']!()
  await all[7]
  leave['1.c.test']!()
  await all[8]
  // It has two still.
  assert.deepEqual(entered.slice(4), ['3.a.test', '2.c.test', '2.b.test', '1.d.test'])
  leave['3.a.test']!()
  await all[3]
})

test('nobody waits for long, and not everybody may', async () => {
  const places = new Places({ total: 1, waiting: 2, waitMs: 50 })
  const leave = await places.enter('one.test')
  const waiting = [places.enter('two.test'), places.enter('three.test')]
  await assert.rejects(places.enter('four.test'), DnsTrouble)
  for (const one of waiting) await assert.rejects(one, DnsTrouble)
  leave()
  const again = await places.enter('four.test')
  again()
})
