/**
 * Any string in any place comes back as it went in, and never as anything else: subjects, names, parameters, keywords, mailboxes, metadata and header fields that look like
 * the protocol itself, stored by APPEND, CREATE, STORE and SETMETADATA, read back through a strict parser of our own and imapflow's; with UTF-8 and without, compressed and not.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { escaped, hostile, line } from '../support/hostile.ts'
import { type ImapHouse, type ImapServer, imapHouse } from '../support/imap.ts'
import { items, type Response, sameToImapflow, type Value } from '../support/imap-response.ts'
import { MODES, StrictSession } from '../support/strict-session.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const MESSAGES = 60
const MAILBOXES = 25
const { any, phrase, octets, mailbox: mailboxName } = hostile(SEED)

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

const mails = Array.from({ length: MESSAGES }, (_, i) => mail(i))
const names = [...new Set(Array.from({ length: MAILBOXES }, mailboxName))]
const keywords = ['a]'.slice(0, 1), '$x', "it's", `${'a{'.slice(0, 1)}}`, '<b>', 'x=y', '[open', '+plus', 'NIL', '1', 'a|b~c`', '^', ';drop']
const values = Array.from({ length: 25 }, () => Buffer.from(any([phrase(), `${phrase()}\r\n* BYE\r\n)`, '']).replaceAll('\0', '')))

let house: ImapHouse
let server: ImapServer
before(async () => {
  house = await imapHouse(['ann'])
  server = await house.serve()
  const session = await StrictSession.login(server.port)
  for (const { raw } of mails) await session.ask(Buffer.concat([Buffer.from(`APPEND INBOX {${raw.length}+}\r\n`), raw]))
  for (const name of names) await session.ask(`CREATE ${session.name(name)}`)
  await session.ask('SELECT INBOX')
  for (const [i, keyword] of keywords.entries()) await session.ask(`STORE ${i + 1} FLAGS.SILENT (${keyword})`)
  for (const [i, value] of values.entries())
    await session.ask(Buffer.concat([Buffer.from(`SETMETADATA INBOX (/private/vendor/test/v${i} {${value.length}+}\r\n`), value, Buffer.from(')')]))
  session.destroy()
})
after(() => house.close())

for (const mode of [...MODES, ...MODES.slice(0, 2).map((one) => ({ ...one, name: `${one.name}, compressed`, compressed: true }))])
  describe(mode.name, () => {
    let session: StrictSession
    const ask = (command: string | Buffer): Promise<Response[]> => session.ask(command)
    before(async () => {
      session = await StrictSession.login(server.port, { mode })
      await ask('EXAMINE INBOX')
    })
    after(() => session.destroy())

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
      const listed = (await ask('LIST "" *')).map(({ values }) => session.named(values[3]))
      for (const name of names) assert.ok(listed.includes(name), JSON.stringify(name))
      for (const name of names) {
        const [response] = await ask(`STATUS ${session.name(name)} (MESSAGES)`)
        assert.deepEqual([response!.values[0], session.named(response!.values[1]), response!.values[2]], ['STATUS', name, ['MESSAGES', '0']])
        await ask(`SUBSCRIBE ${session.name(name)}`)
      }
      const subscribed = (await ask('LSUB "" *')).map(({ values }) => session.named(values[3]))
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
      for (const response of fetched) await sameToImapflow(response)
    })
  })
