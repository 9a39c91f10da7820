import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTIFY_DEFAULT } from '../store/queue.ts'
import { futureRelease, MAX_HOLD_SECONDS, wishesOf, wishOf } from './notify.ts'
import { Reply } from './reply.ts'

const refused = (what: () => unknown, of: unknown): void =>
  assert.throws(what, (err: unknown) => err instanceof Reply && err.responseCode === 501, JSON.stringify(of))

test('NOTIFY and ORCPT', () => {
  assert.deepEqual(wishOf(false), { notify: NOTIFY_DEFAULT, original: undefined })
  assert.deepEqual(wishOf({ NOTIFY: 'never' }), { notify: 0, original: undefined })
  assert.deepEqual(wishOf({ NOTIFY: 'SUCCESS,delay', ORCPT: 'rfc822;a+2Bb@x.test' }), { notify: 5, original: 'rfc822;a+2Bb@x.test' })
  for (const bad of ['', 'NEVER,SUCCESS', 'SUCCESS,SUCCESS', 'FAILURE,', 'X', '__proto__']) refused(() => wishOf({ NOTIFY: bad }), bad)
  refused(() => wishOf({ NOTIFY: true }), true)
  for (const bad of ['rfc822', 'rfc822;', ';a@b', 'rfc822;a b', 'rfc822;a+2b', 'rfc822;a=b', `rfc822;${'x'.repeat(500)}`, 'rfc822;ä'])
    refused(() => wishOf({ ORCPT: bad }), bad)
})

test('ENVID, RET, REQUIRETLS', () => {
  assert.deepEqual(wishesOf(false), { envelopeId: undefined, ret: undefined, requireTls: false, holdUntil: undefined })
  assert.deepEqual(wishesOf({ ENVID: 'QQ+3D1', RET: 'hdrs', REQUIRETLS: true }), {
    envelopeId: 'QQ+3D1',
    ret: 'HDRS',
    requireTls: true,
    holdUntil: undefined,
  })
  for (const bad of [{ ENVID: 'a=b' }, { ENVID: 'x'.repeat(101) }, { ENVID: true }, { RET: 'ALL' }, { RET: true }, { REQUIRETLS: 'yes' }] as const)
    refused(() => wishesOf(bad), bad)
})

test('HOLDFOR and HOLDUNTIL', () => {
  const now = Date.parse('2026-11-29T12:00:00Z')
  assert.equal(wishesOf({ HOLDFOR: '60' }, now).holdUntil, now + 60_000)
  assert.equal(wishesOf({ HOLDUNTIL: '2026-11-29T14:00:00+01:00' }, now).holdUntil, now + 3_600_000)
  assert.equal(wishesOf({ HOLDUNTIL: '2020-01-01T00:00:00Z' }, now).holdUntil, now)
  for (const bad of [
    { HOLDFOR: '1', HOLDUNTIL: '2026-11-29T14:00:00Z' },
    { HOLDFOR: '-1' },
    { HOLDFOR: '1e3' },
    { HOLDFOR: true },
    { HOLDFOR: String(MAX_HOLD_SECONDS + 1) },
    { HOLDUNTIL: 'tomorrow' },
    { HOLDUNTIL: '2026-13-29T14:00:00Z' },
    { HOLDUNTIL: '2036-01-01T00:00:00Z' },
  ] as const)
    refused(() => wishesOf(bad, now), bad)
  assert.equal(futureRelease(now), 'FUTURERELEASE 2592000 2026-12-29T12:00:00Z')
})
