/** Reports with faults at random places: each is read, or it is said why not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dmarcXml, reportMail, SHAPES, TLS_SHAPES, tlsJson, tlsPolicy } from '../../test/support/reports.ts'
import { readReports } from './read.ts'
import { unpack } from './unpack.ts'
import { Unreadable } from './unreadable.ts'

/** A small generator with a seed: a run that fails can be had again. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function damaged(octets: Buffer, pick: (below: number) => number): Buffer {
  const out = Buffer.from(octets)
  for (let n = 1 + pick(6); n > 0; n--) out[pick(out.length)] = pick(256)
  return pick(4) === 0 ? out.subarray(0, pick(out.length)) : out
}

test('messages and attachments with octets changed or cut off', async () => {
  const xml = dmarcXml({ records: [{ signatures: ['a.test pass', 'b.test fail'] }, { reason: 'forwarded' }] })
  const json = tlsJson({ policies: [tlsPolicy('example.test', 5, { 'certificate-expired': 2 })] })
  const mails = [...Object.values(SHAPES).map((shape) => shape(xml)), ...Object.values(TLS_SHAPES).map((shape) => shape(json))]
  const pick = random(7)
  let read = 0
  for (let round = 0; round < 400; round++) {
    const mail = mails[round % mails.length]!
    const attached = mail.attached.map((one) => ({ ...one, data: round % 2 === 0 ? damaged(one.data, pick) : one.data }))
    const message = Buffer.from(reportMail({ ...mail, attached }), 'latin1')
    const { reports, unread } = await readReports(round % 2 === 0 ? message : damaged(message, pick))
    assert.ok(reports.length + unread.length > 0, `round ${round}`)
    for (const reason of unread) assert.match(reason, /^[a-z]/i)
    if (reports.length > 0) read++
  }
  assert.ok(read > 10 && read < 400, `${read} were read`)
})

test('what looks like an archive and is random', async () => {
  const pick = random(11)
  for (let round = 0; round < 2_000; round++) {
    const octets = Buffer.from(Array.from({ length: pick(200) }, () => pick(256)))
    octets.write('PK\u0003\u0004', 'latin1')
    if (octets.length > 60) octets.write('PK\u0005\u0006', octets.length - 22 - pick(20), 'latin1')
    try {
      for (const { pieces } of unpack(octets)) for await (const _ of pieces);
    } catch (err) {
      assert.ok(err instanceof Unreadable, String(err))
    }
  }
})
