/**
 * Names in any place of a response come back as they are: users in access control lists, mailboxes of others and of nobody, keywords, tags, metadata; in what is asked for
 * and in what comes by itself; in every kind of session, through a strict parser of our own and imapflow's.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { canonical } from '../../src/mail/address.ts'
import { MAX_MAILBOX_DEPTH } from '../../src/store/types.ts'
import { hostile } from '../support/hostile.ts'
import { type ImapHouse, type ImapServer, imapHouse } from '../support/imap.ts'
import { items, type Response, sameToImapflow, type Value } from '../support/imap-response.ts'
import { MODES, StrictSession } from '../support/strict-session.ts'

const { any, phrase, octets, mailbox } = hostile(Number(process.env['SEED'] ?? 3))

const LOCALS = [
  "o'brien",
  'a/b',
  '{5}',
  '100%',
  'a*b',
  'x&y-',
  '&amq-',
  'nil',
  '=?x?q?y?=',
  '"a b"',
  '"q\\"\\\\("',
  '")"',
  '"a@b"',
  '"[alert] x"',
  '"* bye"',
  'ünï',
  '日本',
  '😀',
]
const OWNERS = LOCALS.map((local) => canonical(`${local}@example.test`)!)
const NAMES = [...new Set(Array.from({ length: 40 }, mailbox))]
/** Of each owner one mailbox, and as many of nobody. */
const SHARED = [
  ...OWNERS.map((owner, i) => ({ owner, name: `${NAMES[i]}/${NAMES[i + 1]}` })),
  { owner: OWNERS[0]!, name: Array.from({ length: MAX_MAILBOX_DEPTH }, (_, i) => `l${i}`).join('/') },
]
const PUBLIC = NAMES.slice(20).map((name) => `Public/${name}`)
const OTHERS = [...SHARED.map(({ owner, name }) => `Shared/${owner}/${name}`), ...PUBLIC]
/** What an atom may hold; the case of keywords does not count. */
const ATOMS = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).filter((char) => !'(){"\\%*]'.includes(char) && !/[A-Z]/.test(char))
const inTens = (chars: readonly string[]): string[] =>
  Array.from({ length: Math.ceil(chars.length / 10) }, (_, i) => chars.slice(10 * i, 10 * i + 10).join(''))
const KEYWORDS = [...inTens(ATOMS), 'NIL', '$Forwarded', '}', '1']
const TAGS = [...inTens([...ATOMS, ']'].filter((char) => char !== '+')), 'NIL', 'OK', 'BAD', 'BYE', '1', ']', '[x]', '}', "'"]

let house: ImapHouse
let server: ImapServer
const logged: string[] = []
before(async () => {
  house = await imapHouse(['ann', ...LOCALS], {
    quota: 10_000_000,
    shared: PUBLIC.map((name) => ({ name: name.slice('Public/'.length), rights: { 'ann@example.test': 'lrswikxtea' } })),
  })
  const log = silentLog()
  const kept = Object.assign(Object.create(log), { info: (what: object) => logged.push(JSON.stringify(what)), child: () => kept })
  server = await house.serve({ log: kept })
  const ann = await StrictSession.login(server.port)
  for (const owner of OWNERS) await ann.ask(`SETACL INBOX ${quoted(owner)} lrs`)
  for (const owner of OWNERS) await ann.ask(`SETACL INBOX ${quoted(`-${owner}`)} p`)
  for (const { owner, name } of SHARED) {
    const session = await StrictSession.login(server.port, { user: owner })
    await session.ask(`CREATE ${session.name(name)}`)
    await session.ask(`SETACL ${session.name(name)} ann@example.test lrswiktea`)
    session.destroy()
  }
  for (const [i] of KEYWORDS.entries()) await house.append('ann', 'INBOX', [{ text: `Subject: ${i}\r\n\r\n` }])
  await ann.ask('SELECT INBOX')
  for (const [i, keyword] of KEYWORDS.entries()) await ann.ask(`STORE ${i + 1} FLAGS.SILENT (${keyword})`)
  for (const name of OTHERS) await ann.ask(`APPEND ${ann.name(name)} {4+}\r\nnew!`)
  ann.destroy()
})
after(() => house.close())

/** As an argument, in UTF-8. */
function quoted(text: string): string {
  const octets = Buffer.from(text).toString('latin1')
  return /[^ -~]/.test(octets) ? `{${octets.length}+}\r\n${octets}` : `"${octets.replace(/["\\]/g, '\\$&')}"`
}
const text = (value: Value | undefined): string => (Buffer.isBuffer(value) ? value.toString() : String(value))

for (const mode of MODES)
  describe(mode.name, () => {
    let session: StrictSession
    const ask = async (command: string | Buffer, tag?: string): Promise<Response[]> => {
      const all = await session.ask(command, tag)
      for (const response of all) if (response.text === undefined) await sameToImapflow(response)
      return all
    }
    before(async () => {
      session = await StrictSession.login(server.port, { mode })
    })
    after(() => session.destroy())

    test('identifiers of access control lists', async () => {
      const [acl] = await ask('GETACL INBOX')
      const [, name, owner, all, ...entries] = acl!.values
      assert.deepEqual([name, owner, all].map(text), ['INBOX', 'ann@example.test', 'lrswipkxtecda'])
      const given = new Map(Array.from({ length: entries.length / 2 }, (_, i) => [text(entries[2 * i]), text(entries[2 * i + 1])]))
      assert.deepEqual(
        given,
        new Map(
          [...OWNERS.map((identifier) => `-${identifier}`), ...OWNERS]
            .map((identifier) => [identifier, identifier.startsWith('-') ? 'p' : 'lrs'])
            .sort(([a], [b]) => [...given.keys()].indexOf(a!) - [...given.keys()].indexOf(b!)) as [string, string][],
        ),
      )
      for (const identifier of OWNERS) {
        const [rights] = await ask(`LISTRIGHTS INBOX ${quoted(identifier)}`)
        assert.deepEqual(rights!.values.slice(0, 3).map(text), ['LISTRIGHTS', 'INBOX', identifier])
      }
    })

    test("others' mailboxes and those of nobody: listed, asked for, selected", async () => {
      const listed = await ask('LIST "" * RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment))')
      const of = (kind: string, at: number): Set<string> =>
        new Set(listed.filter(({ values }) => values[0] === kind).map(({ values }) => session.named(values[at])))
      const own = (await ask('LIST "" Shared/*')).map(({ values }) => session.named(values[3]))
      for (const { owner, name } of SHARED) assert.ok(own.includes(`Shared/${owner}/${name}`))
      for (const name of OTHERS) {
        assert.ok(of('LIST', 3).has(name), name)
        for (const kind of ['STATUS', 'MYRIGHTS', 'METADATA']) assert.ok(of(kind, 1).has(name), `${kind} of ${name}`)
      }
      for (const name of OTHERS) {
        const wire = session.name(name)
        const [status] = await ask(`STATUS ${wire} (MESSAGES MAILBOXID)`)
        assert.deepEqual([session.named(status!.values[1]), (status!.values[2] as readonly Value[])[1]], [name, '1'])
        for (const [command, kind] of [
          ['MYRIGHTS', 'MYRIGHTS'],
          ['GETACL', 'ACL'],
          ['GETQUOTAROOT', 'QUOTAROOT'],
        ] as const) {
          const [response] = await ask(`${command} ${wire}`)
          assert.deepEqual([response!.values[0], session.named(response!.values[1])], [kind, name])
        }
        const selected = await ask(`EXAMINE ${wire}`)
        const named = selected.filter(({ values }) => values[0] === 'LIST').map(({ values }) => session.named(values[3]))
        assert.deepEqual(named, mode.rev2 ? [name] : [])
        await ask(`SUBSCRIBE ${wire}`)
      }
      const subscribed = (await ask('LSUB "" *')).map(({ values }) => session.named(values[3]))
      for (const name of OTHERS) assert.ok(subscribed.includes(name))
      const [space] = await ask('NAMESPACE')
      assert.deepEqual(
        space!.values.slice(1).map((list) => (list as Value[][]).map((one) => one.map(text))),
        [[['', '/']], [['Shared/', '/']], [['Public/', '/']]],
      )
    })

    test('quota roots', async () => {
      for (const name of NAMES) {
        const [root, quota] = await ask(`GETQUOTAROOT ${session.name(name)}`)
        assert.deepEqual([session.named(root!.values[1]), text(root!.values[2]), text(quota!.values[1])], [name, '', ''])
      }
    })

    test('what a client says of itself goes to the log, and nowhere else', async () => {
      for (let i = 0; i < 20; i++) {
        const value = octets().subarray(0, 900)
        const said = Buffer.concat([Buffer.from(`ID ("name" {${value.length}+}\r\n`, 'latin1'), value, Buffer.from(` "x${i}" NIL)`)])
        const [id] = await ask(mode.utf8 && !Buffer.from(value.toString()).equals(value) ? 'ID NIL' : said)
        assert.deepEqual(
          id!.values.map((one) => (Array.isArray(one) ? one.map(text) : one)),
          ['ID', ['name', 'Postern']],
        )
      }
      assert.ok(logged.some((entry) => entry.includes('client')))
    })

    test('metadata', async () => {
      const name = any(PUBLIC)
      for (let i = 0; i < 20; i++) {
        const value = Buffer.from(`${phrase()}\r\n* BYE\r\n${phrase()}${i % 2 ? '\0' : ''}`)
        const entry = `/private/vendor/x${any(["'", '&', '[', '{', '=', '~', '|'])}/y${i}`
        await ask(
          Buffer.concat([Buffer.from(`SETMETADATA ${session.name(name)} ("${entry}" ~{${value.length}+}\r\n`, 'latin1'), value, Buffer.from(')')]),
        )
        const [got] = await ask(`GETMETADATA ${session.name(name)} ("${entry}")`)
        const [, of, [key, was]] = got!.values as [Value, Value, [Value, Buffer]]
        assert.deepEqual([session.named(of), text(key), was.equals(value)], [name, entry, true])
        const [listed] = (await ask(`LIST "" ${session.name(name)} RETURN (METADATA ("${entry}"))`)).filter(({ values }) => values[0] === 'METADATA')
        assert.deepEqual(session.named(listed!.values[1]), name)
      }
    })

    test('tags, and mailboxes in ESEARCH', async () => {
      await ask('SELECT INBOX')
      for (const tag of TAGS) {
        const [found] = await ask('SEARCH RETURN (MIN COUNT) ALL', tag)
        assert.deepEqual((found!.values[1] as readonly Value[]).map(text), ['TAG', tag])
        const name = any(OTHERS)
        const [other] = await ask(`ESEARCH IN (mailboxes (${session.name(name)})) RETURN (ALL) ALL`, tag)
        const [, correlator] = other!.values as [Value, readonly Value[]]
        assert.deepEqual([text(correlator[1]), session.named(correlator[3])], [tag, name])
      }
    })

    test('keywords', async () => {
      const lines = await ask('SELECT INBOX')
      const flags = lines.find(({ values }) => values[0] === 'FLAGS')!.values[1] as readonly Value[]
      for (const keyword of KEYWORDS) assert.ok(flags.map((flag) => flag ?? 'NIL').includes(keyword), keyword)
      const code = lines.map((line) => line.code).find((one) => one?.startsWith('PERMANENTFLAGS'))!
      for (const keyword of KEYWORDS) assert.ok(code.slice('PERMANENTFLAGS ('.length, -1).split(' ').includes(keyword), keyword)
      const fetched = await ask('FETCH 1:* FLAGS')
      for (const [i, keyword] of KEYWORDS.entries()) {
        const own = (items(fetched[i]!).get('FLAGS') as readonly Value[]).filter((flag) => flag !== '\\Recent').map((flag) => flag ?? 'NIL')
        assert.deepEqual(own, [keyword])
        const [found] = await ask(`SEARCH RETURN (ALL) KEYWORD ${keyword}`)
        assert.equal(found!.values.at(-1), `${i + 1}`)
      }
    })

    test('NOTIFY: what others do with names', async () => {
      const other = await StrictSession.login(server.port)
      const base = `n${MODES.indexOf(mode)}`
      await ask('UNSELECT')
      await other.ask(`CREATE ${base}`)
      await ask(`NOTIFY SET (subtree ${session.name(base)} (MessageNew MessageExpunge MailboxName SubscriptionChange))`)
      /** Up to the response of that kind; the mailbox above has one of its own (RFC 5465 §5.4). */
      const heard = async (kind: string): Promise<Response> => {
        for (;;) {
          const response = await session.next()
          await sameToImapflow(response)
          if (response.values[0] === kind && !(kind === 'LIST' && session.named(response.values[3]) === base)) return response
        }
      }
      for (const [i, piece] of NAMES.slice(4 * MODES.indexOf(mode))
        .slice(0, 4)
        .entries()) {
        const [name, renamed] = [`${base}/${piece}`, `${base}/${i}${piece}`]
        await other.ask(`CREATE ${other.name(name)}`)
        assert.equal(session.named((await heard('LIST')).values[3]), name)
        await other.ask(`APPEND ${other.name(name)} {4+}\r\nnew!`)
        assert.equal(session.named((await heard('STATUS')).values[1]), name)
        await other.ask(`RENAME ${other.name(name)} ${other.name(renamed)}`)
        const { values } = await heard('LIST')
        const [label, [old]] = values[4] as [Value, [Value]]
        assert.deepEqual([session.named(values[3]), text(label), session.named(old)], [renamed, 'OLDNAME', name])
        await other.ask(`DELETE ${other.name(renamed)}`)
        assert.equal(session.named((await heard('LIST')).values[3]), renamed)
      }
      other.destroy()
    })
  })
