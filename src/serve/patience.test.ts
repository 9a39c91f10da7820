import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../log.ts'
import { TooOld, Unavailable } from '../store/errors.ts'
import { patiently } from './patience.ts'

const log = silentLog()

test('who is away is waited for; what time does not mend, and a stop, end it at once', async () => {
  let tries = 0
  const away = (error: Error) => async () => {
    if (++tries < 3) throw error
    return 'here'
  }
  assert.equal(await patiently(away(new Unavailable('away')), { ms: 10_000, log }), 'here')
  tries = 0
  await assert.rejects(patiently(away(new TooOld('needs a newer one')), { ms: 10_000, log }), { name: 'Refused', message: 'needs a newer one.' })
  assert.equal(tries, 1)
  const stranger = Object.assign(new Error('password authentication failed'), { code: '28P01' })
  await assert.rejects(patiently(away(stranger), { ms: 10_000, log }), {
    name: 'Refused',
    message: 'The database says: password authentication failed.',
  })
  const never = async () => {
    throw new Unavailable('away')
  }
  await assert.rejects(patiently(never, { ms: 10_000, log, stop: AbortSignal.abort() }), { name: 'AbortError' })
})
