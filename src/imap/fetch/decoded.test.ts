import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { keptOutput, MadeMailbox } from '../../../test/support/messages.ts'
import { silentLog } from '../../log.ts'
import { binary } from '../extensions/binary.ts'
import { REV1_REPORTS } from '../reports.ts'
import { readFetch } from './parse.ts'
import { runFetch } from './run.ts'

/** Octets with and without NUL that are the same each time. */
const octetsOf = (length: number, nul: boolean): Buffer => Buffer.from(Array.from({ length }, (_, i) => ((i * 31 + (i >> 8)) % 255) + (nul ? 0 : 1)))
const base64 = (octets: Buffer): string => octets.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
const quoted = (octets: Buffer): string =>
  [...octets].map((octet, i) => `=${octet.toString(16).toUpperCase().padStart(2, '0')}${i % 20 === 19 ? '=\r\n' : ''}`).join('')
const message = (encoding: string, body: string): Buffer => Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n\r\n${body}`, 'latin1')

async function fetch(raw: Buffer, item: string, bodyLimit?: number): Promise<string> {
  const box = new MadeMailbox([{ uid: 1, raw }], bodyLimit === undefined ? {} : { bodyLimit })
  const { set, items } = readFetch(await argumentsOf(`1 (${item})`), 'msn', { fetchItems: binary.adds!.fetchItems!, fetchModifiers: new Map() })
  const out = keptOutput()
  const context = { store: box.store, selected: box.selected, output: out.output, reports: REV1_REPORTS, log: silentLog() }
  await runFetch(context, { by: 'msn', ranges: box.selected.ranges('msn', set), items })
  return await out.text()
}

describe('from memory and piece by piece alike', () => {
  for (const nul of [false, true])
    for (const [encoding, encode] of [
      ['base64', base64],
      ['quoted-printable', quoted],
      ['8bit', (octets: Buffer) => octets.toString('latin1')],
    ] as const)
      test(`${encoding}, ${nul ? 'with' : 'without'} NUL`, async () => {
        const octets = octetsOf(3000, nul)
        const raw = message(encoding, encode(octets))
        for (const [partial, from, to] of [
          ['', 0, 3000],
          ['<0.1>', 0, 1],
          ['<1.2998>', 1, 2999],
          ['<2999.50>', 2999, 3000],
          ['<3000.1>', 3000, 3000],
          ['<9999.1>', 3000, 3000],
          ['<700.800>', 700, 1500],
        ] as const) {
          const wanted = octets.subarray(from, to)
          const head = wanted.length === 0 ? '""' : `${wanted.includes(0) ? '~' : ''}{${wanted.length}}\r\n`
          const name = `BINARY[1]${partial.replace(/\..*>/, '>')}`
          const response = `* 1 FETCH (${name} ${head}${wanted.toString('latin1')})\r\n`
          for (const limit of [undefined, 10]) assert.equal(await fetch(raw, `BINARY.PEEK[1]${partial}`, limit), response, `${partial} ${limit}`)
        }
        for (const limit of [undefined, 10]) assert.equal(await fetch(raw, 'BINARY.SIZE[1]', limit), '* 1 FETCH (BINARY.SIZE[1] 3000)\r\n')
      })
})

test('several items of one message, long and short', async () => {
  const raw = message('base64', base64(Buffer.from('hello')))
  for (const limit of [undefined, 1])
    assert.equal(
      await fetch(raw, 'BINARY.SIZE[1] BINARY.PEEK[1] BINARY.SIZE[2] BINARY.PEEK[2] BINARY.SIZE[]', limit),
      `* 1 FETCH (BINARY.SIZE[1] 5 BINARY[1] {5}\r\nhello BINARY.SIZE[2] 0 BINARY[2] NIL BINARY.SIZE[] ${raw.length})\r\n`,
    )
})
