/** What a client that fetches a large encoded part piece by piece costs: octets read, not time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { keptOutput, MadeMailbox } from '../../../test/support/messages.ts'
import { seeded } from '../../../test/support/random.ts'
import { silentLog } from '../../log.ts'
import { binary } from '../extensions/binary.ts'
import { REV1_REPORTS } from '../reports.ts'
import { MAX_PARTS } from './checkpoints.ts'
import { readFetch } from './parse.ts'
import { runFetch } from './run.ts'

const random = seeded(4)
const OCTETS = Buffer.from(Array.from({ length: 2_000_000 }, () => random(256)))
const PIECE = 64 * 1024
/** A client may stop in the middle of what is read at a time. */
const SLACK = 64 * 1024
const EVERY = 256 * 1024

/** Lines of any length, with what is no base64 between, and groups that end early. */
function irregular(octets: Buffer): string {
  let out = ''
  for (let at = 0; at < octets.length; ) {
    const length = 1 + random(200)
    out += octets.subarray(at, at + length).toString('base64') + ['', '\r\n', '\n', ' ! ', '\r\n\r\n'][random(5)]
    at += length
  }
  return out
}
const printable = (octets: Buffer): string => {
  let out = ''
  for (let at = 0; at < octets.length; at += 25) {
    const line = [...octets.subarray(at, at + 25)].map((octet) =>
      octet === 32 || octet === 61 || octet < 32 || octet > 126 ? `=${octet.toString(16).padStart(2, '0')}` : String.fromCharCode(octet),
    )
    out += `${line.join('')}=${random(9) === 0 ? ' '.repeat(random(900)) : ''}\r\n`
  }
  return out
}
const BODIES = [
  ['base64', OCTETS.toString('base64').replaceAll(/.{76}/g, '$&\r\n')],
  ['base64', irregular(OCTETS)],
  ['quoted-printable', printable(OCTETS)],
] as const

function boxOf(bodies: readonly (readonly [encoding: string, body: string])[]) {
  const raws = bodies.map(([encoding, body]) => Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n\r\n${body}`, 'latin1'))
  const box = new MadeMailbox(
    raws.map((raw, i) => ({ uid: i + 1, raw })),
    { bodyLimit: 10 },
  )
  /** What BINARY.PEEK, or another item, gives; and how much was read for it. */
  const fetch = async (msn: number, item: string): Promise<{ value: string; read: number }> => {
    const { set, items } = readFetch(await argumentsOf(`${msn} (${item})`), 'msn', {
      fetchItems: binary.adds!.fetchItems!,
      fetchModifiers: new Map(),
    })
    const out = keptOutput()
    const context = { store: box.store, selected: box.selected, output: out.output, reports: REV1_REPORTS, log: silentLog() }
    const before = box.octetsRead
    await runFetch(context, { by: 'msn', ranges: box.selected.ranges('msn', set), items })
    const value = (await out.text()).replace(/^\* \d+ FETCH \(\S+ (?:~?\{\d+\}\r\n|"")?/, '').replace(/\)\r\n$/, '')
    return { value, read: box.octetsRead - before }
  }
  return { fetch, raws }
}
const piece = (at: number, length = PIECE): string => OCTETS.subarray(at, at + length).toString('latin1')

for (const [n, [encoding, body]] of BODIES.entries())
  describe(`${encoding}${n === 1 ? ', irregular' : ''}`, () => {
    /** Encoded octets of one decoded. */
    const factor = body.length / OCTETS.length

    test('piece by piece: each encoded octet is read about once', async () => {
      const { fetch, raws } = boxOf([[encoding, body]])
      let total = 0
      for (let at = 0; at < OCTETS.length; at += PIECE) {
        const { value, read } = await fetch(1, `BINARY.PEEK[1]<${at}.${PIECE}>`)
        assert.ok(value === piece(at), `at ${at}`)
        assert.ok(read <= PIECE * factor * 1.2 + 2 * SLACK, `${read} octets for the piece at ${at}`)
        total += read
      }
      assert.ok(total < 2.5 * raws[0]!.length, `${total} octets for ${raws[0]!.length}`)
      // Its end is known by now, and so is how long it is.
      assert.deepEqual(await fetch(1, `BINARY.PEEK[1]<${OCTETS.length}.10>`), { value: '', read: 0 })
      assert.deepEqual(await fetch(1, 'BINARY.SIZE[1]'), { value: `${OCTETS.length}`, read: 0 })
    })

    test('in any order, once it was gone through', async () => {
      const { fetch, raws } = boxOf([[encoding, body]])
      const { value, read } = await fetch(1, 'BINARY.SIZE[1]')
      assert.deepEqual([value, read], [`${OCTETS.length}`, raws[0]!.length - raws[0]!.indexOf('\r\n\r\n') - 4])
      for (let i = 0; i < 40; i++) {
        const at = random(OCTETS.length)
        const length = 1 + random(PIECE)
        const got = await fetch(1, `BINARY.PEEK[1]<${at}.${length}>`)
        assert.ok(got.value === piece(at, length), `at ${at}`)
        assert.ok(got.read <= EVERY + length * factor * 1.2 + 3 * SLACK, `${got.read} octets at ${at}`)
      }
    })
  })

test('several parts and readers at once, and more parts than are remembered', async () => {
  const small = BODIES.map(([encoding, body]) => [encoding, body.slice(0, 60_000)] as const)
  const many = Array.from({ length: MAX_PARTS + 5 }, (_, i) => small[i % small.length]!)
  const { fetch } = boxOf(many)
  const whole = await Promise.all(many.map(async (_, i) => (await fetch(i + 1, 'BINARY.PEEK[1]')).value))
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      const [i, at] = [random(many.length), random(40_000)]
      assert.ok((await fetch(i + 1, `BINARY.PEEK[1]<${at}.5000>`)).value === whole[i]!.slice(at, at + 5000))
    }),
  )
  const { fetch: two } = boxOf(BODIES)
  for (let at = 0; at < 500_000; at += PIECE)
    for (const msn of [1, 2, 3]) {
      const { value, read } = await two(msn, `BINARY.PEEK[1]<${at}.${PIECE}>`)
      assert.ok(
        value === piece(at) && read < 1.2 * PIECE * (BODIES[msn - 1]![1].length / OCTETS.length) + 2 * SLACK,
        `${read} octets of ${msn} at ${at}`,
      )
    }
})

test('rubbish is decoded the same from any place', async () => {
  const soup = (chars: string): string => Array.from({ length: 400_000 }, () => chars[random(chars.length)]!).join('')
  const bodies = [
    ['base64', soup('ABCDabcd0189+/=\r\n -')],
    ['quoted-printable', soup('= \t\r\nA4f')],
  ] as const
  const { fetch } = boxOf(bodies)
  for (const msn of [1, 2]) {
    const { value: whole } = await fetch(msn, 'BINARY.PEEK[1]')
    for (let i = 0; i < 60; i++) {
      const [at, length] = [random(whole.length), 1 + random(20_000)]
      assert.ok((await fetch(msn, `BINARY.PEEK[1]<${at}.${length}>`)).value === whole.slice(at, at + length), `${length} at ${at} of ${msn}`)
    }
  }
})
