import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../log.ts'
import { guarded } from './authentication.ts'
import { decide } from './decision.ts'
import { UNCHECKED } from './findings.ts'
import { resultsOf } from './results.ts'

test('a check that fails makes a message suspicious, and refuses none', async () => {
  const log = silentLog()
  const atOnce = await guarded(() => Promise.reject(new Error('no')), log)
  atOnce.body(Buffer.from('x'))
  const atTheEnd = await guarded(async () => ({ body: () => undefined, finish: () => Promise.reject(new Error('no')), bodyHash: () => 'x' }), log)
  for (const verification of [atOnce, atTheEnd]) {
    assert.equal(await verification.finish(), UNCHECKED)
    // Nothing is sealed of what nobody knows.
    assert.equal(verification.bodyHash?.(), undefined)
  }
  const readers = [{ access: { account: 7 }, domain: 'a.test' }] as never
  const decision = decide(UNCHECKED, { readers, contactsOnly: false }, { dmarc: () => 'reject', trustedSealers: new Set() })
  assert.deepEqual([...decision.junk], [7])
  const words = resultsOf(UNCHECKED, decision, '192.0.2.1').map(({ method, result, comment }) => `${method}=${result} ${comment ?? ''}`.trim())
  assert.deepEqual(words, ['spf=temperror', 'dkim=none', 'dmarc=permerror it could not be checked'])
})
