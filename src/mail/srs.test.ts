import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical, parseAddrSpec } from './address.ts'
import { createSrs, isSrs, SRS_DAYS } from './srs.ts'

const KEY = Buffer.alloc(32, 7)
const DAY = 86_400_000
const at = (day: number, key = KEY) => createSrs(key, () => day * DAY)
const localOf = (address: string | undefined): string => parseAddrSpec(address!)!.local

/** Deterministic, so that a failure can be looked at. */
function* random(seed: number): Generator<number> {
  for (let x = seed; ; ) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    yield x / 2 ** 32
  }
}

test('there and back: what was written comes out again, on any day of three weeks, in any case', () => {
  const next = random(1)
  const pick = (letters: string, n: number) => Array.from({ length: n }, () => letters[Math.floor(next.next().value! * letters.length)]).join('')
  for (let i = 0; i < 2_000; i++) {
    const local = pick('abcXYZ019=+-.!#/_~', 1 + (i % 20)).replace(/^\.|\.$|\.(?=\.)/g, 'x')
    const sender = `${local}@${pick('abc', 3)}.example`
    const day = Math.floor(next.next().value! * 30_000)
    const path = at(day).forward(sender, 'us.example')!
    assert.ok(isSrs(localOf(path)) && canonical(path) !== undefined, path)
    const age = i % (SRS_DAYS + 1)
    assert.equal(at(day + age).back(localOf(path)), isSrs(local) ? undefined : sender)
    assert.equal(at(day + age).back(localOf(path).toLowerCase()), sender.toLowerCase())
    for (const later of [SRS_DAYS + 1, 400, 1_023]) assert.equal(at(day + later).back(localOf(path)), undefined, `${later} days`)
  }
})

test('nothing but what was made here comes back: any letter changed, another key, rubbish', () => {
  const next = random(2)
  const local = localOf(at(20_000).forward('ann.b@elsewhere.example', 'us.example'))
  for (let i = 0; i < 3_000; i++) {
    const where = Math.floor(next.next().value! * local.length)
    const letter = String.fromCharCode(33 + Math.floor(next.next().value! * 94))
    const changed = local.slice(0, where) + letter + local.slice(where + 1)
    if (changed.toLowerCase() !== local.toLowerCase() && !/^SRS0[+-]/i.test(changed)) assert.equal(at(20_000).back(changed), undefined, changed)
    assert.equal(at(20_000).back(local.slice(0, where)), undefined)
  }
  assert.equal(at(20_000, Buffer.alloc(32, 8)).back(local), undefined)
  for (const text of ['', 'SRS0', 'SRS0=', 'SRS0====', 'SRS0=a=b=c', 'SRS1=a=b=', 'SRS1=AAAAAAAA=b==c=d=e=f', 'srs0=\0=\0=\0=\0', 'x'.repeat(10_000)])
    assert.equal(at(20_000).back(text), undefined, text)
})

test('what was forwarded before goes back to the first forwarder, past those between', () => {
  const once = at(10, Buffer.alloc(32, 1)).forward('ann@first.example', 'one.example')!
  const twice = at(11, Buffer.alloc(32, 2)).forward(once, 'two.example')!
  const thrice = at(12).forward(twice, 'us.example')!
  assert.match(thrice, /^SRS1=[A-Z2-7]{8}=one\.example==/)
  assert.equal(at(13).back(localOf(thrice)), once)
  assert.equal(at(13).back(localOf(twice)), undefined)
  assert.equal(at(13, Buffer.alloc(32, 2)).back(localOf(twice)), once)
  assert.equal(at(13, Buffer.alloc(32, 1)).back(localOf(once)), 'ann@first.example')
})

test('quoted local parts stay whole; what would be too long is not made', () => {
  for (const sender of ['"a b"@x.example', '"a@b=c"@x.example', 'jörg@x.example', 'a@[192.0.2.1]'])
    assert.equal(at(1).back(localOf(at(1).forward(sender, 'us.example'))), sender)
  assert.equal(at(1).forward(`${'a'.repeat(100)}@long.example`, 'us.example'), undefined)
  assert.equal(at(1).forward('no address', 'us.example'), undefined)
})
