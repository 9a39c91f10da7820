import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxAccess } from '../store/access.ts'
import type { AccountId, ContentId } from '../store/types.ts'
import { createBlankLines, repaired } from './outlook.ts'

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text, 'latin1')
}
async function sent(octets: AsyncIterable<Uint8Array>): Promise<string> {
  let all = ''
  for await (const piece of octets) all += Buffer.from(piece).toString('latin1')
  return all
}

test('a NUL becomes 0x80, whatever piece it is in, and what was given stays as it was', async () => {
  const given = Buffer.from('a\0b\0\0', 'latin1')
  const one = async function* () {
    yield given
  }
  assert.equal(await sent(repaired(one(), false)), 'a\x80b\x80\x80')
  assert.equal(given.toString('latin1'), 'a\0b\0\0')
  assert.equal(await sent(repaired(pieces('', '\0', 'x', 'y\0'), false)), '\x80xy\x80')
})

test('a blank line behind a message that is all header', async () => {
  for (const [text, expected] of [
    ['Subject: x\r\n', 'Subject: x\r\n\r\n'],
    ['Subject: x\n', 'Subject: x\n\r\n'],
    ['Subject: x', 'Subject: x\r\n\r\n'],
    ['', '\r\n'],
    ['x\r', 'x\r\r\n\r\n'],
  ] as const) {
    assert.equal(await sent(repaired(pieces(text), true)), expected)
    assert.equal(await sent(repaired(pieces(...text), true)), expected)
  }
})

const DAY = 86_400_000
const idAt = (ms: number): ContentId => (BigInt(ms) << 21n) as ContentId

function house() {
  const asked: ContentId[] = []
  let contents: ContentId[] = []
  let now = 10 * DAY
  const withoutBlankLine = async (_: unknown, after: ContentId) => {
    asked.push(after)
    return { ids: contents.filter((id) => id > after), last: contents.at(-1) ?? (0n as ContentId) }
  }
  const lines = createBlankLines({ withoutBlankLine }, () => now)
  return {
    asked,
    come: (...ids: ContentId[]) => void (contents = [...contents, ...ids].sort((a, b) => Number(a - b))),
    pass: (ms: number) => void (now += ms),
    in: async (account = 1) => [...(await lines.lackingIn({ account: account as AccountId } as MailboxAccess))],
  }
}

test('what is known is not asked again, but for the last day', async () => {
  const { asked, come, pass, in: lacking } = house()
  come(idAt(DAY), idAt(3 * DAY))
  assert.deepEqual(await lacking(), [idAt(DAY), idAt(3 * DAY)])
  come(idAt(9.5 * DAY))
  assert.equal((await lacking()).length, 3)
  pass(2 * DAY)
  // Began to come before the one that was there first.
  come(idAt(9 * DAY + 3600_000))
  assert.equal((await lacking()).length, 4)
  assert.deepEqual(asked, [0n, idAt(3 * DAY), idAt(9 * DAY)])
  await lacking(2)
  assert.equal(asked.at(-1), 0n)
})

test('an id from a clock that is ahead hides none that come later', async () => {
  const { come, pass, in: lacking } = house()
  come(idAt(400 * DAY))
  await lacking()
  pass(2 * DAY)
  come(idAt(11.5 * DAY))
  assert.equal((await lacking()).length, 2)
})

test('an account with too many is asked each time, and so are more accounts than are remembered', async () => {
  const { asked, come, in: lacking } = house()
  come(...Array.from({ length: 10_001 }, (_, i) => (idAt(DAY) + BigInt(i)) as ContentId))
  assert.equal((await lacking()).length, 10_001)
  await lacking()
  assert.deepEqual(asked, [0n, 0n])
  const other = house()
  other.come(idAt(DAY))
  for (let account = 1; account <= 1_001; account++) await other.in(account)
  other.asked.length = 0
  await other.in(1_001)
  await other.in(1)
  assert.deepEqual(other.asked, [idAt(DAY), 0n])
})
