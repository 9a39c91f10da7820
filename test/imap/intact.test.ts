/**
 * Any string in any place comes back as it went in, and never as anything else: subjects, names, parameters, keywords, mailboxes, metadata and header fields that look like
 * the protocol itself, stored by APPEND, CREATE, STORE and SETMETADATA, read back through a strict parser of our own and imapflow's; with UTF-8 and without, compressed and not.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import tokenize from 'imapflow/lib/handler/imap-parser.js'
import { decodeMutf7, encodeMutf7 } from '../../src/imap/wire/mutf7.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { type Response, StrictReader, type Value } from '../support/imap-response.ts'
import { seeded } from '../support/random.ts'
import { WireClient } from '../support/wire-client.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const MESSAGES = 60
const MAILBOXES = 25
const random = seeded(SEED)
const any = <T>(of: readonly T[]): T => of[random(of.length)]!

const PIECES = [
  ...[
    '"',
    '\\',
    '\\"',
    '{5}',
    '{5+}',
    '~{3}',
    '(',
    ')',
    '))',
    '(((',
    '[',
    ']',
    '[ALERT] x',
    '* BYE',
    'a1 OK',
    'NIL',
    'nil',
    '%',
    '*',
    '&',
    '&-',
    '&AMQ-',
    '=?utf-8?q?=22?=',
  ],
  ...[
    'é',
    '日本',
    '😀',
    '\u202e',
    '\u200f',
    '\u2028',
    '\ufeff',
    'e\u0301',
    ' ',
    '  ',
    '\t',
    '<',
    '>',
    '@',
    ',',
    ';',
    ':',
    '=',
    "'",
    '*=',
    'x'.repeat(1_100),
    '\x7f',
    '\x01',
  ],
]
/** In one line of a header: no CR, LF or NUL. */
const phrase = (): string =>
  Array.from({ length: 1 + random(6) }, () => any(PIECES))
    .join('')
    .trim()
/** Latin-1 and what is no UTF-8 at all, as mails have it. */
const octets = (): Buffer =>
  random(4) === 0 ? Buffer.from(`${any(['\xff', '\xe9', '\xc3', '\x80'])}${any(['x', '"', '(', '{1}'])}`, 'latin1') : Buffer.from(phrase())
const escaped = (text: Buffer): Buffer => Buffer.from(text.toString('latin1').replace(/["\\]/g, '\\$&'), 'latin1')

interface Mail {
  readonly subject: Buffer
  readonly name: Buffer
  readonly file: Buffer
  readonly field: string
  readonly raw: Buffer
  readonly header: Buffer
}
function mail(n: number): Mail {
  const [subject, name, file] = [octets(), octets(), octets()]
  const field = `X-${n}${any(['', '!#$', "'*+", '{5}', '(x', '[a]', '^_`|~', '"', '\\'])}`
  const line = (...parts: (string | Buffer)[]): Buffer =>
    Buffer.concat([...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)), Buffer.from('\r\n')])
  const header = Buffer.concat([
    line('Subject: ', subject),
    line('From: "', escaped(name), '" <ann@example.test>'),
    line(`${field}: `, octets()),
    line('Content-Type: application/octet-stream; name="', escaped(file), '"'),
    line(''),
  ])
  const body = Buffer.from(any(['', 'x', ')\r\na1 OK done\r\n', '\r\n* BYE\r\n', '\0\xff)\r\n']), 'latin1')
  return { subject, name, file, field, header, raw: Buffer.concat([header, body]) }
}

const mailboxName = (): string => {
  for (;;) {
    const name = Array.from({ length: 1 + random(5) }, () =>
      any(PIECES.filter((piece) => piece.length < 40 && !/[\x00-\x1f\x7f*%\u2028]/.test(piece))),
    )
      .join('')
      .trim()
      .normalize('NFC')
    if (name !== '' && Buffer.byteLength(name) < 200 && name.toUpperCase() !== 'INBOX') return name
  }
}

const mails = Array.from({ length: MESSAGES }, (_, i) => mail(i))
const names = [...new Set(Array.from({ length: MAILBOXES }, mailboxName))]
const keywords = ['a]'.slice(0, 1), '$x', "it's", `${'a{'.slice(0, 1)}}`, '<b>', 'x=y', '[open', '+plus', 'NIL', '1', 'a|b~c`', '^', ';drop']
const values = Array.from({ length: 25 }, () => Buffer.from(any([phrase(), `${phrase()}\r\n* BYE\r\n)`, '']).replaceAll('\0', '')))

let house: ImapHouse
let server: ImapServer
before(async () => {
  house = await imapHouse(['ann'])
  server = await house.serve()
  const client = await login()
  const reader = new StrictReader()
  const done = async (tag: string): Promise<void> => {
    const last = (await reader.until(client, tag)).at(-1)!
    assert.equal(last.values[0], 'OK', `${last.code} ${last.text}`)
  }
  for (const [i, { raw }] of mails.entries()) {
    client.send(Buffer.concat([Buffer.from(`m${i} APPEND INBOX {${raw.length}+}\r\n`), raw, Buffer.from('\r\n')]))
    await done(`m${i}`)
  }
  for (const [i, name] of names.entries()) {
    const wire = encodeMutf7(name)
    client.send(`n${i} CREATE {${wire.length}+}\r\n${wire}\r\n`)
    await done(`n${i}`)
  }
  client.send('s SELECT INBOX\r\n')
  await done('s')
  for (const [i, keyword] of keywords.entries()) {
    client.send(`k${i} STORE ${i + 1} FLAGS.SILENT (${keyword})\r\n`)
    await done(`k${i}`)
  }
  for (const [i, value] of values.entries()) {
    client.send(
      Buffer.concat([Buffer.from(`v${i} SETMETADATA INBOX (/private/vendor/test/v${i} {${value.length}+}\r\n`), value, Buffer.from(')\r\n')]),
    )
    await done(`v${i}`)
  }
  client.destroy()
})
after(() => house.close())

async function login(): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  await client.command('in', `LOGIN ann@example.test "${PASSWORD}"`)
  return client
}

/** `* 3 FETCH (A 1 B 2)` → by name. */
function items({ values: [, , list] }: Response): Map<string, Value> {
  const all = list as readonly Value[]
  return new Map(Array.from({ length: all.length / 2 }, (_, i) => [String(all[2 * i]), all[2 * i + 1]!]))
}

for (const utf8 of [false, true])
  for (const compressed of [false, true])
    describe(`${utf8 ? 'UTF-8' : 'modified UTF-7'}${compressed ? ', compressed' : ''}`, () => {
      let client: WireClient
      let n = 0
      const reader = new StrictReader({ utf8 })
      const ask = async (command: string): Promise<Response[]> => {
        client.send(Buffer.from(`t${++n} ${command}\r\n`, 'latin1'))
        const all = await reader.until(client, `t${n}`)
        assert.equal(all.at(-1)!.values[0], 'OK', `${command.slice(0, 100)}: ${all.at(-1)!.code} ${all.at(-1)!.text}`)
        return all.slice(0, -1)
      }
      before(async () => {
        client = await login()
        if (utf8) await ask('ENABLE UTF8=ACCEPT')
        if (compressed) {
          await ask('COMPRESS DEFLATE')
          client.compress()
        }
        await ask('EXAMINE INBOX')
      })
      after(() => client.destroy())

      test('ENVELOPE and BODYSTRUCTURE', async () => {
        const fetched = await ask('FETCH 1:* (ENVELOPE BODYSTRUCTURE)')
        assert.equal(fetched.length, MESSAGES)
        fetched.forEach((response, i) => {
          const [{ subject, name, file }, found] = [mails[i]!, items(response)]
          const envelope = found.get('ENVELOPE') as readonly Value[]
          assert.equal(envelope.length, 10)
          assert.equal(String(envelope[1] ?? ''), String(subject), `subject of ${i + 1}`)
          const [from] = envelope[2] as readonly (readonly Value[])[]
          assert.deepEqual([String(from![0] ?? ''), String(from![2]), String(from![3])], [String(name), 'ann', 'example.test'], `name of ${i + 1}`)
          const structure = found.get('BODYSTRUCTURE') as readonly Value[]
          const parameters = structure[2] as readonly Value[] | null
          const at = parameters?.findIndex((value) => String(value).toLowerCase() === 'name') ?? -1
          if (file.length > 0) assert.equal(String(parameters?.[at + 1] ?? ''), String(file), `file of ${i + 1}`)
        })
      })

      test('octets of parts, and names of header fields', async () => {
        const fetched = await ask('FETCH 1:* (RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER])')
        fetched.forEach((response, i) => {
          const found = items(response)
          assert.equal(Number(found.get('RFC822.SIZE')), mails[i]!.raw.length)
          assert.ok(mails[i]!.raw.equals(found.get('BODY[]') as Buffer))
          assert.ok(mails[i]!.header.equals(found.get('BODY[HEADER]') as Buffer))
        })
        for (const [i, { field }] of mails.entries()) {
          const [response] = await ask(`FETCH ${i + 1} BODY.PEEK[HEADER.FIELDS ("${field.replace(/["\\]/g, '\\$&')}" subject)]`)
          const [[name, value]] = [...items(response!)] as [[string, Value]]
          assert.ok(name.startsWith('BODY[HEADER.FIELDS ('))
          assert.match(String(value), /^Subject: /)
        }
      })

      test('flags', async () => {
        const fetched = await ask('FETCH 1:* FLAGS')
        for (const [i, keyword] of keywords.entries()) {
          const flags = items(fetched[i]!).get('FLAGS') as readonly Value[]
          const own = flags.filter((flag) => flag !== '\\Recent').map((flag) => flag ?? 'NIL')
          assert.deepEqual(own, [keyword])
        }
      })

      test('mailboxes in LIST, LSUB and STATUS', async () => {
        const decode = (name: Value | undefined): string => (utf8 ? String(name) : (decodeMutf7(String(name)) ?? assert.fail(`no name: ${name}`)))
        const encode = (name: string): string => (utf8 ? Buffer.from(name).toString('latin1') : encodeMutf7(name))
        const listed = (await ask('LIST "" *')).map(({ values }) => decode(values[3]))
        for (const name of names) assert.ok(listed.includes(name), JSON.stringify(name))
        for (const name of names) {
          const wire = encode(name)
          const [response] = await ask(`STATUS {${wire.length}+}\r\n${wire} (MESSAGES)`)
          assert.deepEqual([response!.values[0], decode(response!.values[1]), response!.values[2]], ['STATUS', name, ['MESSAGES', '0']])
          await ask(`SUBSCRIBE "${wire.replace(/["\\]/g, '\\$&')}"`)
        }
        const subscribed = (await ask('LSUB "" *')).map(({ values }) => decode(values[3]))
        for (const name of names) assert.ok(subscribed.includes(name), JSON.stringify(name))
      })

      test('values of METADATA', async () => {
        for (const [i, value] of values.entries()) {
          const [response] = await ask(`GETMETADATA INBOX /private/vendor/test/v${i}`)
          const [, , [, got]] = response!.values as [Value, Value, [Value, Buffer]]
          assert.equal(String(got ?? ''), String(value))
        }
      })

      test("imapflow's parser reads the same", async () => {
        const fetched = await ask('FETCH 1:* (ENVELOPE BODYSTRUCTURE FLAGS)')
        for (const { values, bare, literals } of fetched) {
          const { attributes } = await tokenize(bare, { literals: [...literals] })
          assert.deepEqual(plain(attributes), comparable(values.slice(1)))
        }
      })
    })

type Token = NonNullable<Awaited<ReturnType<typeof tokenize>>['attributes']>[number]
/** What imapflow made of it: text where a string may be either. */
const plain = (tokens: readonly Token[] | undefined): unknown[] =>
  (tokens ?? []).map((token) => {
    if (Array.isArray(token)) return plain(token)
    const value: unknown = token?.value
    return Buffer.isBuffer(value) ? value.toString('latin1') : (value ?? null)
  })
const comparable = (values: readonly Value[]): unknown[] =>
  values.map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'string' || value === null ? value : comparable(value)))
