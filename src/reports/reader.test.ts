/** What is made to cost time or memory: bounded, said in words, and the rest of the process goes on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { dmarcXml, reportMail, tlsJson, zip } from '../../test/support/reports.ts'
import { READER_LIMITS, readApart } from './reader.ts'

const NEVER = new AbortController().signal

function mailOf(data: Buffer, type = 'application/gzip'): Uint8Array<ArrayBuffer> {
  const text = reportMail({ attached: [{ type, data }] })
  const octets = new Uint8Array(text.length)
  Buffer.from(octets.buffer).write(text, 'latin1')
  return octets
}

/** The longest that anything else had to wait meanwhile, in milliseconds. */
async function waits(work: Promise<unknown>): Promise<number> {
  let [longest, over] = [0, false]
  const done = work.finally(() => {
    over = true
  })
  for (let last = performance.now(); !over; last = performance.now()) {
    await sleep(5)
    longest = Math.max(longest, performance.now() - last)
  }
  await done
  return longest
}

const record = /<record>[\s\S]*<\/record>/.exec(dmarcXml())![0]
const [head = '', tail = ''] = dmarcXml().split(record)
/** As many times as much as the piece, in members of one gzip file. */
const repeated = (piece: string | Buffer, times: number): Buffer => {
  const member = gzipSync(piece)
  return Buffer.concat([gzipSync(head), ...Array.from({ length: times }, () => member), gzipSync(tail)])
}
const differing = (n: number): string =>
  Array.from({ length: n }, (_, i) => record.replace('192.0.2.1', `2001:db8::${(i * 7919).toString(16)}:1`.slice(0, 30))).join('\n')

describe('hostile reports', () => {
  const BLANKS = Buffer.alloc(10 * 2 ** 20, ' ')
  for (const [what, make, said] of [
    ['10 GB of blanks in 10 MB', () => mailOf(repeated(BLANKS, 1024)), /^it unpacks to more than/],
    ['a zip of zeros', () => mailOf(zip([{ name: 'x.xml', data: BLANKS }]), 'application/zip'), /^it unpacks to more than 200 times its size$/],
    // 64 MiB of it are read before that: on a busy machine time is up first.
    ['a million records', () => mailOf(repeated(record.repeat(1_000), 1_000)), /^(?:it unpacks to more than|reading it took more than)/],
    [
      'a zip that is itself in a zip',
      () => mailOf(zip([{ name: 'r.zip', data: zip([{ name: 'r.zip', data: Buffer.from('r') }]) }])),
      /an archive within an archive/,
    ],
    [
      'one element of a hundred thousand attributes',
      () => mailOf(gzipSync(`<feedback ${Array.from({ length: 100_000 }, (_, i) => `a${i}="x"`).join(' ')}>`)),
      /.+/,
    ],
    ['one text of two million letters', () => mailOf(Buffer.from(dmarcXml({ org: 'x'.repeat(2_000_000) })), 'text/xml'), /^$/],
    ['one name of two million letters', () => mailOf(Buffer.from(`<${'x'.repeat(2_000_000)}>`), 'text/xml'), /^it is no XML/],
    ['a comment that does not end', () => mailOf(Buffer.from(`<feedback><!--${'-x'.repeat(1_000_000)}`), 'text/xml'), /^it is no XML/],
    [
      'two million brackets',
      () => mailOf(Buffer.from(`{"policies":${'['.repeat(2_000_000)}`), 'application/json'),
      /^(?:it is no JSON|reading it took more than)/,
    ],
    ['a million empty objects', () => mailOf(Buffer.from(`{"policies":[${'{},'.repeat(1_000_000)}{}]}`), 'application/json'), /.+/],
    ['twelve megabytes of gzip headers', () => mailOf(Buffer.alloc(10_000_000, gzipSync(''))), /.+/],
  ] as const)
    test(what, async (t) => {
      const mail = make()
      const started = performance.now()
      let outcome: Awaited<ReturnType<typeof readApart>> | undefined
      const longest = await waits(readApart(mail, NEVER).then((read) => (outcome = read)))
      t.diagnostic(`${Math.round(performance.now() - started)} ms, others waited ${Math.round(longest)} ms: ${outcome?.unread.join('; ')}`)
      assert.match(outcome!.unread.join('; '), said)
      assert.ok(performance.now() - started < READER_LIMITS.ms + 5_000)
      assert.ok(longest < 2_000, `others waited ${longest} ms`)
    })

  test('a large report that is one: its rows are added up', async (t) => {
    const started = performance.now()
    const { reports, unread } = await readApart(mailOf(gzipSync(`${head}${differing(10_000)}${tail}`)), NEVER)
    t.diagnostic(`${Math.round(performance.now() - started)} ms`)
    assert.deepEqual(unread, [])
    assert.ok(reports[0]?.kind === 'dmarc')
    assert.equal(
      reports[0].rows.reduce((sum, { count }) => sum + count, 0),
      10_000,
    )
    assert.ok(reports[0].rows.length <= 10_000)
  })

  test('what takes too long or too much is ended, and named', async () => {
    const mail = () => mailOf(gzipSync(`${head}${differing(10_000)}${tail}`))
    assert.deepEqual(await readApart(mail(), NEVER, { ms: 100, heap: 96 }), { reports: [], unread: ['reading it took more than 0.1 s'] })
    const objects = mailOf(Buffer.from(`{"policies":[${'{},'.repeat(1_000_000)}{}]}`), 'application/json')
    assert.deepEqual(await readApart(objects, NEVER, { ms: 20_000, heap: 12 }), { reports: [], unread: ['reading it took more than 12 MiB'] })
    assert.equal((await readApart(mailOf(gzipSync(tlsJson())), NEVER)).reports.length, 1)
  })

  test('a stop ends it', async () => {
    const stop = new AbortController()
    const reading = readApart(mailOf(gzipSync(`${head}${differing(10_000)}${tail}`)), stop.signal)
    setTimeout(() => stop.abort(new Error('stopped')), 50)
    await assert.rejects(reading, /stopped/)
    await assert.rejects(async () => readApart(mailOf(gzipSync('x')), stop.signal), /stopped/)
  })
})
