import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_POP3, nearestWord, packPop3, pop3Policy, unpackPop3 } from './pop3-policy.ts'

test('what is said counts, the rest is as below it; days are for keep only', () => {
  const account = pop3Policy({ afterDownload: 'keep', keepDays: 7, folder: 'Reports' })
  assert.deepEqual(account, { ...DEFAULT_POP3, afterDownload: 'keep', keepDays: 7, folder: 'Reports' })
  assert.equal(pop3Policy({ seenOnRetr: true }, account).keepDays, 7)
  assert.deepEqual(pop3Policy({ afterDownload: 'delete' }, account), { ...account, afterDownload: 'delete', keepDays: undefined })
})

test('a version that knows only words finds the word, or one that loses nothing', () => {
  assert.equal(packPop3({ afterDownload: 'delete' }), 'delete')
  assert.equal(packPop3({ afterDownload: 'client', keepDays: undefined }), 'client')
  for (const settings of [{ afterDownload: 'trash' }, { afterDownload: 'client', folder: 'X' }, { folder: 'X' }] as const) {
    assert.deepEqual(packPop3(settings), settings)
    assert.deepEqual(unpackPop3(packPop3(settings)), settings)
  }
  assert.deepEqual(unpackPop3('keep'), { afterDownload: 'keep' })
  assert.deepEqual((['client', 'delete', 'keep', 'trash', 'archive'] as const).map(nearestWord), ['client', 'delete', 'keep', 'keep', 'keep'])
})
