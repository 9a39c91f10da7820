/** Searches with the index of texts find what searches without it find, whatever is indexed; and they read little. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { bodyHas, textHas } from '../../src/imap/search/body-keys.ts'
import { FUZZY_TEXTS } from '../../src/imap/search/fuzzy-keys.ts'
import { SearchGate } from '../../src/imap/search/gate.ts'
import { fieldHas } from '../../src/imap/search/header-keys.ts'
import { IS_FLAGGED } from '../../src/imap/search/index-keys.ts'
import { and, not, or, type SearchKey } from '../../src/imap/search/key.ts'
import type { KeyReader } from '../../src/imap/search/parse.ts'
import { runSearch } from '../../src/imap/search/run.ts'
import { Selected } from '../../src/imap/selected.ts'
import { Work } from '../../src/imap/work.ts'
import { silentLog } from '../../src/log.ts'
import { TEXT_VERSION } from '../../src/mail/grams.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { SLOTS } from '../../src/store/pg/text-block.ts'
import { indexAccount } from '../../src/store/pg/text-index.ts'
import { keptOutput } from '../support/messages.ts'
import { seeded } from '../support/random.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})
const sql = (name: string, text: string, values: readonly (string | number)[] = []) => pool.rows({ name: `ts_${name}`, text }, values)
const index = (a: AccountAccess) => indexAccount(pool, a.account, { stop: new AbortController().signal, rest: 0 })

/** The UIDs found, and how many contents were read for that. `blind`: as if nothing were indexed. */
async function search(a: AccountAccess, key: SearchKey, blind = false): Promise<{ uids: readonly number[]; read: number }> {
  await using mailbox = await store.select(await store.open(a, 'INBOX', true), unwatched)
  let read = 0
  const counted: Pick<MailStore, 'contents' | 'read' | 'narrow'> = {
    contents(access, asked, want) {
      const ids = [...asked]
      read += ids.length
      return store.contents(access, ids, want)
    },
    read: (access, id, from, to) => store.read(access, id, from, to),
    narrow: async (access, ids, probes) => (blind ? probes.map(() => new Uint8Array(ids.length).fill(1)) : store.narrow(access, ids, probes)),
  }
  const work = new Work({ output: keptOutput().output, ending: new AbortController().signal })
  const { uids } = await runSearch({ store: counted, selected: new Selected('INBOX', mailbox), gate: new SearchGate(), work }, key)
  return { uids, read }
}

const random = seeded(23)
const one = <T>(list: readonly T[]): T => list[random(list.length)]!
const WORDS =
  'invoice meeting Straße GRÜSSE café cafe\u0301 100% a_b C:\\temp 中文信件 こんにちは 한국어 😀 hello world ΟΔΟΣ Σίσυφος İstanbul x<y>z &amp; =?utf-8?q?x?= naïve'.split(
    ' ',
  )
const text = (words: number): string => Array.from({ length: words }, () => one(WORDS)).join(one([' ', ' ', '\t', ', ', '']))
const word = (value: string): string => `=?utf-8?b?${Buffer.from(value).toString('base64')}?=`
const wrapped = (base64: string): string => base64.replace(/.{76}/g, '$&\r\n')

/** A body with the header fields that say how it is written. */
function bodyOf(sort: number): string {
  const said = text(12)
  switch (sort) {
    case 0:
      return `Content-Type: text/plain; charset=utf-8\r\n\r\n${said}\r\n`
    case 1:
      return `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${wrapped(Buffer.from(said).toString('base64'))}\r\n`
    case 2:
      return `Content-Type: text/html; charset=utf-8\r\n\r\n<p>${said.replaceAll(' ', '<br>')}</p><script>${text(3)}</script>\r\n`
    case 3:
      return `Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 Stra=DFe ${one(['x', 'y'])}=\r\nz\r\n`
    case 4:
      return `Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(said).toString('base64')}\r\n`
    default:
      return `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${bodyOf(random(5))}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: ${word(text(2))}\r\n${bodyOf(random(4))}\r\n--b--\r\n`
  }
}
const message = (n: number): Buffer =>
  Buffer.from(
    `From: "${one(WORDS)}" <${one(['anna', 'ben'])}@example.org>\r\nSubject: ${one([word(text(3)), `plain ${n}`, 'folded\r\n subject'])}\r\n${one(['X-List: dogs\r\n', 'To : cats@example.org\r\n', ''])}${bodyOf(random(7))}`,
  )
/** Too long to come in one piece, and longer than what is looked at. */
const long = Buffer.from(`Subject: long\r\n\r\n${'filler words '.repeat(60_000)}the needle${' and so on'.repeat(50_000)} beyond`)

async function fill(a: AccountAccess, raws: readonly Buffer[]): Promise<void> {
  const inbox = await store.open(a, 'INBOX', true)
  const contents = await Promise.all(raws.map((raw) => stage(store, a, raw)))
  await store.append(
    inbox,
    contents.map((content, i) => ({ content, flags: i % 3 === 0 ? ['\\Flagged'] : [], internalDate: 0 })),
  )
}

const needle = (): string => {
  const from = one([...WORDS, text(3), 'the needle', 'beyond', 'subject: plain', 'dogs', 'z\n', 'no such thing'])
  const start = random(from.length)
  return one([from, from.slice(start), from.slice(start, start + 1 + random(4)), from.toUpperCase()])
}
/** What FUZZY makes of a text. */
function fuzzy(text: string): SearchKey {
  const reader = { text: () => text, bodyText: () => text, spend: () => undefined } as unknown as KeyReader
  return one([FUZZY_TEXTS.body, FUZZY_TEXTS.text, (r: KeyReader) => FUZZY_TEXTS.field(r, one(['subject', 'From', 'x-list']))])(reader)
}
function tree(depth: number): SearchKey {
  switch (random(depth > 0 ? 9 : 5)) {
    case 0:
      return bodyHas(needle())
    case 1:
      return textHas(needle())
    case 2:
      return fieldHas(one(['Subject', 'from', 'To', 'x-list', 'constructor']), one([needle(), needle(), '']))
    case 3:
      return one([IS_FLAGGED, bodyHas(needle())])
    case 4:
      return fuzzy(one([needle(), `${one(WORDS)} ${one(WORDS).slice(0, -1)}`]))
    case 5:
      return not(tree(depth - 1))
    case 6:
      return or([tree(depth - 1), tree(depth - 1)])
    default:
      return and([tree(depth - 1), tree(depth - 1)])
  }
}
async function agrees(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const key = tree(3)
    assert.deepEqual((await search(anna, key)).uids, (await search(anna, key, true)).uids)
  }
}

test('random searches of random mail, at every state of the index', async () => {
  const some = (count: number) => Array.from({ length: count }, (_, n) => message(n))
  await fill(anna, some(SLOTS))
  await agrees(3)
  assert.equal(await index(anna), 1)
  await agrees(15)
  await fill(anna, [...some(SLOTS + 20), long])
  await agrees(15)
  assert.equal(await index(anna), 1)
  await agrees(15)
  await sql('stale', 'update text_block set version = $2 where account_id = $1 and block = 1', [anna.account, TEXT_VERSION - 1])
  await agrees(5)
  await sql('back', 'update text_block set version = $2 where account_id = $1', [anna.account, TEXT_VERSION])
  await sql('cut', 'update text_slice set data = substr(data, 1, 140) where account_id = $1 and slice % 3 = 0', [anna.account])
  await agrees(5)
  await sql('lost', 'delete from text_slice where account_id = $1 and slice % 2 = 0', [anna.account])
  await agrees(5)
  const inbox = await store.open(anna, 'INBOX', true)
  await store.copy(inbox, [1, 50], inbox)
  await store.expunge(inbox, { uids: [20, 90], deletedOnly: false })
  await agrees(5)
})

test('hostile texts', async () => {
  for (const text of [
    ...[
      '%',
      '_',
      '\\',
      '%%%',
      "';--",
      '\0',
      '\0\0\0',
      '\ud800',
      '\udc00\ud800',
      'a\ud800b',
      '\r\n',
      '\n\n\n',
      '.*',
      '(?i)',
      'x'.repeat(4096),
      '中'.repeat(4096),
      ' '.repeat(9),
    ],
    ...['\u0301', '\u0301\u0301\u0301', 'ﬁ', '\u200d', '\ufffd\ufffd\ufffd', '__proto__', 'ß', 'SS', 'ς', 'İ', 'i\u0307'],
  ])
    for (const key of [or([bodyHas(text), fuzzy(text)]), or([textHas(text), fieldHas(text, text)]), not(fieldHas('subject', text))])
      assert.deepEqual((await search(anna, key)).uids, (await search(anna, key, true)).uids, JSON.stringify(text))
})

test('many texts in one search', async () => {
  const keys = Array.from({ length: 50 }, (_, n) => bodyHas(`${WORDS[n % WORDS.length]}${n % 4 === 0 ? '' : n}`))
  assert.deepEqual((await search(anna, or(keys))).uids, (await search(anna, or(keys), true)).uids)
})

test('a rare text in 20,000 messages costs few rows, and no other account any', async () => {
  const count = 20_000
  const raws = [0, 1].map((n) =>
    Buffer.from(`Subject: ${n ? 'rare' : 'common'}\r\n\r\n${n ? 'a zebrafinch' : 'what they say of it'} in some words\r\n`),
  )
  await fill(ben, raws)
  // The same two contents again and again, the second one each 5,000: as if they had been delivered.
  const many = (table: string, columns: string) =>
    sql(
      `many_${table}`,
      `insert into ${table} (account_id, content_id, ${columns}) select $1, o.base + n, ${columns} from generate_series(1, $2::int) n
       join (select *, row_number() over (order by content_id) as nth, max(content_id) over () as base from ${table} where account_id = $1) o
       on o.nth = case when n % 5000 = 7 then 2 else 1 end`,
      [ben.account, count],
    )
  await many('content', 'size, chunks, crlf_gain, sha256, header, envelope, bodystructure, parts, structure_version')
  await many('content_chunk', 'seq, raw_size, zstd, data')
  await sql(
    'many_message',
    `insert into message (account_id, mailbox_id, uid, mid, content_id, internal_date, saved_at, size, flags, modseq)
     select $1, m.id, 10 + row_number() over (order by content_id), content_id % 1000000007, content_id, now(), now(), size, 0, m.modseq
     from content c, mailbox m where c.account_id = $1 and m.account_id = $1 and m.name = 'INBOX'`,
    [ben.account],
  )
  await sql('uidnext', "update mailbox set uidnext = 30000, messages = messages + $2 where account_id = $1 and name = 'INBOX'", [ben.account, count])
  const made = await index(ben)
  assert.equal(made, Math.floor((count + 2) / SLOTS))
  const rest = count + 2 - made * SLOTS
  for (const key of [
    bodyHas('Zebrafinch'),
    textHas('zebrafinch'),
    fieldHas('Subject', 'rare'),
    and([textHas('some words'), bodyHas('zebrafinch')]),
  ]) {
    const { uids, read } = await search(ben, key)
    assert.equal(uids.length, 2 * 1 + 4)
    assert.ok(read < 100 + 2 * rest, `${read} contents were read`)
  }
  const all = await search(ben, not(bodyHas('zebrafinch')))
  assert.ok(all.uids.length > count - 10 && all.read < 100 + 2 * rest)
})
