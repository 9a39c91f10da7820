/** Commands that take long say so, between other lines and never within one; those that do not say nothing. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inBatches } from '../../src/store/batches.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { type ImapHouse, imapHouse, PASSWORD, type ServeOptions } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

const EVERY = 60
const SLOW = 200
const TAG = 'a]b[1'

/** Each of these verbs, and each content, takes its time. */
const slowed = (store: MailStore): MailStore =>
  new Proxy(store, {
    get(whole, verb) {
      const method = Reflect.get(whole, verb) as unknown
      if (typeof method !== 'function') return method
      if (verb === 'contents')
        return (...args: Parameters<MailStore['contents']>) =>
          inBatches(async function* () {
            for await (const content of whole.contents(...args)) {
              await sleep(SLOW / 4)
              yield [content]
            }
          })
      const isSlow = ['copy', 'move', 'flags', 'expunge'].includes(String(verb))
      return async (...args: unknown[]) => {
        if (isSlow) await sleep(SLOW)
        return await (method.apply(whole, args) as Promise<unknown>)
      }
    },
  })

let house: ImapHouse
before(async () => {
  house = await imapHouse(['ann'])
  await house.append(
    'ann',
    'INBOX',
    Array.from({ length: 12 }, (_, i) => ({ text: `Subject: ${i}\r\n\r\nbody ${i}\r\n` })),
  )
})
after(() => house.close())

async function selected(options: ServeOptions): Promise<WireClient> {
  const { port } = await house.serve({ limits: { progressTime: EVERY }, ...options })
  const client = await WireClient.connect(port)
  await client.line()
  await client.command('in', `LOGIN ann@example.test "${PASSWORD}"`)
  await client.command('in', 'SELECT INBOX')
  return client
}
const notices = (lines: readonly string[]): string[] => lines.filter((line) => line.includes('INPROGRESS'))

describe('what takes long', () => {
  for (const command of [
    'COPY 1:2 Archive',
    'UID COPY 1 Archive',
    'STORE 1:3 +FLAGS ($X)',
    'UID STORE 1 -FLAGS.SILENT ($X)',
    'MOVE 12 Archive',
    'EXPUNGE',
    'UID EXPUNGE 1',
  ])
    test(command, async () => {
      const client = await selected({ faulty: slowed })
      const lines = await client.command(TAG, command)
      const told = notices(lines)
      assert.ok(told.length >= 2, `${lines}`)
      for (const line of told) assert.equal(line, `* OK [INPROGRESS ("${TAG}" NIL NIL)] Still working`)
      assert.ok(lines.at(-1)!.startsWith(`${TAG} OK`))
      client.destroy()
    })

  for (const command of ['SEARCH BODY body', 'UID SEARCH TEXT nothing', 'SORT (SUBJECT) UTF-8 BODY body', 'THREAD ORDEREDSUBJECT UTF-8 BODY body'])
    test(`${command}, with numbers that rise`, async () => {
      const client = await selected({ faulty: slowed })
      const lines = await client.command(TAG, command)
      const told = notices(lines)
      assert.ok(told.length >= 2, `${lines}`)
      let before = -1
      for (const line of told) {
        const [, done, total] = /^\* OK \[INPROGRESS \("a\]b\[1" (?:NIL NIL|(\d+) (\d+))\)\] Still working$/.exec(line) ?? assert.fail(line)
        if (done === undefined) continue
        assert.ok(Number(done) < Number(total) && Number(done) >= before, line)
        before = Number(done)
      }
      assert.ok(before > 0, `${told}`)
      client.destroy()
    })
})

test('what is quick says nothing', async () => {
  const client = await selected({ limits: { progressTime: 5_000 } })
  for (const command of ['SEARCH BODY body', 'COPY 1:2 Archive', 'STORE 1 FLAGS ()'])
    assert.deepEqual(notices(await client.command('a', command)), [])
  client.destroy()
})

test('nothing is said where it is disabled', async () => {
  const client = await selected({ faulty: slowed, disable: ['INPROGRESS'] })
  assert.deepEqual(notices(await client.command('a', 'COPY 1:2 Archive')), [])
  client.destroy()
})

test('a client that leaves meanwhile is no fault', async () => {
  const client = await selected({ faulty: slowed })
  client.send('a COPY 1:2 Archive\r\n')
  await sleep(EVERY / 2)
  client.destroy()
  await sleep(2 * SLOW)
})
