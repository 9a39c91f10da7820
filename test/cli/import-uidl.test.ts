/** `postern mailbox import-uidl`: a Maildir as Dovecot 2.3 left it, what its POP3 said of it, and the mailbox that its mail was brought into. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { run } from '../../src/cli/commands.ts'
import { formatterOf, parseHeader, parseRecord } from '../../src/cli/uidl/dovecot-uidlist.ts'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { giveUidls } from '../../src/store/pg/pop-uidl.ts'
import type { Mid } from '../../src/store/types.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna, db, accounts } = opened
const pool = new Pool({ connect: db.connect, max: 1, log: silentLog() })
const dir = mkdtempSync(join(tmpdir(), 'postern-uidl-'))
after(async () => {
  await pool.close()
  await opened.close()
  rmSync(dir, { recursive: true, force: true })
})
writeFileSync(join(dir, 'postern.yaml'), 'hostname: mail.example.test\ndomains: [example.test]\n')

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await run(['--data', dir, 'mailbox', 'import-uidl', ...args], {
    ...{ env: { DATABASE_URL: db.url }, cwd: dir, stdin: Readable.from([]) },
    out: (text) => (out += `${text}\n`),
    err: (text) => (err += `${text}\n`),
  })
  return { code, out, err }
}

const LINE = 'From: a@example.test\n'
/** Names and octets of the files; their UIDs are 1, 2 … */
const FILES: Record<string, Buffer> = {
  'new/1700000001.M1P1.host': Buffer.from(`${LINE}Subject: one\n\nLF only\n`),
  'cur/1700000002.M2P1.host:2,': Buffer.from(`${LINE}Subject: two\n\nCRLF\n`.replaceAll('\n', '\r\n')),
  'cur/1700000003.M3P1.host,S=43:2,S': Buffer.from(`${LINE}Subject: three\n\nalike\n`),
  'cur/1700000004.M4P1.host:2,FS': Buffer.from(`${LINE}Subject: three\n\nalike\n`),
  'cur/1700000006.M6P1.host:2,': Buffer.from(`${LINE}Subject: no end`),
  'cur/1700000007.M7P1.h\xf6st:2,T': gzipSync(`${LINE}Subject: zip\n\n${'x'.repeat(200_000)}\n`),
  'cur/1700000008.M8P1.host:2,': zstdCompressSync(Buffer.from(`${LINE}Subject: zstd\n\n`)),
}
const LIST = `3 V1795965508 N10 Ga7aff73744420c6b8b55000083ecc375
1 W47 :1700000001.M1P1.host
2 W44 P1795965508.2 :1700000002.M2P1.host
3 W47 P :1700000003.M3P1.host,S=43
4 W47 :1700000004.M4P1.host
5 W37 :1700000006.M6P1.host
6 :1700000007.M7P1.h\xf6st:2,
7 Gffff O7 :1700000008.M8P1.host
9 W47 :1700000009.M9P1.host
`
/** As Dovecot's POP3 told them, by its default format where nothing else was saved. */
const UIDLS = [
  '000000016b0c4244',
  '1795965508.2',
  '1700000003.M3P1.host,S=43',
  '000000046b0c4244',
  '000000056b0c4244',
  '000000066b0c4244',
  '000000076b0c4244',
]

let maildirs = 0
function maildir(files = FILES, list = LIST): string {
  const folder = join(dir, `Maildir${++maildirs}`)
  for (const sub of ['cur', 'new', 'tmp']) mkdirSync(join(folder, sub), { recursive: true })
  for (const [name, octets] of Object.entries(files)) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]), octets)
  writeFileSync(join(folder, 'dovecot-uidlist'), list, 'latin1')
  return folder
}

/** What IMAP made of them on their way: lines end with CRLF. */
const SUBJECTS = ['one', 'two', 'three', 'three', 'no end', 'zip', 'zstd']
const BODIES: Record<string, string> = { one: 'LF only\n', two: 'CRLF\n', three: 'alike\n', zip: `${'x'.repeat(200_000)}\n`, zstd: '' }
const octetsOf = (subject: string): Buffer =>
  Buffer.from(`${LINE}Subject: ${subject}${subject === 'no end' ? '' : `\n\n${BODIES[subject]}`}`.replaceAll('\n', '\r\n'))

let boxes = 0
async function mailbox(subjects: readonly string[] = SUBJECTS): Promise<{ name: string; m: MailboxAccess }> {
  const name = `Box${++boxes}`
  await store.create(anna, name)
  const m = await store.open(anna, name, true)
  for (const subject of subjects) await store.append(m, [{ content: await stage(store, anna, octetsOf(subject)), flags: [], internalDate: 1 }])
  return { name, m }
}
/** Of the messages in their order; '-' for those that brought none. */
async function uidls(m: MailboxAccess): Promise<string[]> {
  const all = await store.importedUidls(anna)
  await using selected = await store.select(m, unwatched)
  return selected.index.segments.flatMap((s) => Array.from({ length: s.count }, (_, row) => all.of(s.mids[row]!) ?? '-'))
}
const forget = (): Promise<number> => pool.rows({ name: '', text: 'delete from pop_uidl' }, [])

test('each message has what Dovecot called it; again changes nothing; a dry run writes nothing', async () => {
  const { name, m } = await mailbox()
  const folder = maildir()
  assert.equal((await accounts.login('anna@example.test'))!.importedUidls, false)
  const dry = await cli('anna@example.test', folder, name, '--dry-run')
  assert.deepEqual([dry.code, dry.err], [0, ''])
  assert.match(
    dry.out,
    /^Would be matched: 7\.\nAmbiguous: 2 .*\nNot matched: 1\.\n {2}1 are in the list, but .*\nOf 7 messages in Box1 7 would have /,
  )
  assert.deepEqual(
    await uidls(m),
    SUBJECTS.map(() => '-'),
  )
  assert.equal((await accounts.login('anna@example.test'))!.importedUidls, false)
  const first = await cli('Anna@Example.test', join(folder, 'dovecot-uidlist'), name)
  assert.match(first.out, /^Matched: 7\.\n/)
  assert.deepEqual(await uidls(m), UIDLS)
  assert.equal((await accounts.login('anna@example.test'))!.importedUidls, true)
  const again = await cli('anna@example.test', folder, name)
  assert.match(again.out, /^Matched: 0, and 7 that had their unique-id already\.\nNot matched: 1\./)
  assert.deepEqual(await uidls(m), UIDLS)
})

test('they stay with the messages: flags changed, moved away and back, not with copies', async () => {
  const { name, m } = await mailbox(['one', 'no end'])
  await forget()
  await cli('anna@example.test', maildir(), name)
  const archive = await store.open(anna, 'Archive', true)
  await store.move(m, [1, 1], archive)
  assert.deepEqual(await uidls(archive), [UIDLS[0]])
  await store.copy(archive, [1, 1], m)
  await store.move(archive, [1, 1], m)
  assert.deepEqual(await uidls(m), [UIDLS[4], '-', UIDLS[0]])
})

test('what came later, what went, files whose flags changed: only what is new is given', async () => {
  const { name, m } = await mailbox(['three'])
  await forget()
  const folder = maildir()
  const first = await cli('anna@example.test', folder, name)
  assert.match(first.out, /^Matched: 1\.\nNot matched: 7\.\n {2}5 have octets that no message in .* has\n {2}1 are octet for octet like another/)
  renameSync(join(folder, 'cur/1700000004.M4P1.host:2,FS'), join(folder, 'cur/1700000004.M4P1.host:2,S'))
  await store.append(m, [{ content: await stage(store, anna, octetsOf('three')), flags: [], internalDate: 1 }])
  await store.append(m, [{ content: await stage(store, anna, octetsOf('two')), flags: [], internalDate: 1 }])
  const second = await cli('anna@example.test', folder, name)
  assert.match(second.out, /^Matched: 2, and 1 that had /)
  assert.deepEqual(await uidls(m), [UIDLS[2], UIDLS[3], UIDLS[1]])
})

test('a unique-id is one message’s alone, and none that Postern could make itself', async () => {
  const [one, two] = [await mailbox(['one', 'two']), await mailbox(['one', 'two'])]
  await forget()
  assert.match((await cli('anna@example.test', maildir(), one.name)).out, /^Matched: 2\./)
  assert.match(
    (await cli('anna@example.test', maildir(), two.name)).out,
    /^Matched: 0\.[\s\S]* 2 have a unique-id that another message of this user has\n/,
  )
  assert.deepEqual(await uidls(two.m), ['-', '-'])
  await forget()
  for (const bad of ['0123456789abcd', 'x'.repeat(71), 'x\x7f', 'x\xf6'])
    assert.match(
      (await cli('anna@example.test', maildir(FILES, LIST.replace('W47 :', `W47 P${bad} :`)), one.name, '--dry-run')).out,
      / 1 have a unique-id that cannot be used/,
      bad,
    )
  await using selected = await store.select(one.m, unwatched)
  const [mid] = selected.index.segments[0]!.mids as unknown as Mid[]
  // Even where two imports meet: one of both is right, and the database holds no third thing.
  await forget()
  const both = await Promise.all(['a', 'b'].map((uidl) => giveUidls(pool, anna.account, [{ mid: mid!, uidl }])))
  assert.equal(both[0]!.size + both[1]!.size, 1)
  await assert.rejects(pool.rows({ name: '', text: `insert into pop_uidl values (${anna.account}, 1, 'two words')` }, []), /check/)
})

test('other formats; a list with a format of its own', async () => {
  const { name, m } = await mailbox(['one', 'zstd'])
  for (const [format, first, last] of [
    ['%v.%u', '1795965508.1', '1795965508.7'],
    ['%08Xv%08Xu', '6b0c424400000001', '6b0c424400000007'],
    ['UID%u-%v', 'UID1-1795965508', 'UID7-1795965508'],
    ['%Mf', 'eb6321585bfba6c4a564dcacae365d5c', '50d8d5aa4a62ed6d3d1cf0ab68f7bbb7'],
    ['%Ug', '1700000001.M1P1.HOST', 'FFFF'],
    ['%%%2u', '%1', '%7'],
  ] as const) {
    await forget()
    await cli('anna@example.test', maildir(), name, '--format', format)
    assert.equal((await uidls(m))[0], first, format)
    if (format !== '%Mf') assert.equal((await uidls(m))[1], last, format)
    await forget()
    await cli('anna@example.test', maildir(FILES, LIST.replace(' N10', ` N10 P${format}`)), name)
    assert.equal((await uidls(m))[0], first, `${format} in the list`)
  }
})

test('NULs, which IMAP does not bring over, anywhere in a long message', async () => {
  const { name, m } = await mailbox(['one'])
  await forget()
  const octets = Buffer.concat([
    Buffer.from('Subject: nul\n\n'),
    Buffer.alloc(100_000, 'x\n'),
    Buffer.of(0, 0, 10),
    Buffer.alloc(100_000, 'y\n'),
    Buffer.of(0),
  ])
  const sent = Buffer.from(octets.toString('latin1').replaceAll('\n', '\r\n').replaceAll('\0', '\x80'), 'latin1')
  await store.append(m, [{ content: await stage(store, anna, sent), flags: [], internalDate: 1 }])
  const { out } = await cli('anna@example.test', maildir({ 'cur/nul:2,': octets }, '3 V1 N2\n7 Pthe-one-with-nuls :nul\n'), name)
  assert.match(out, /^Matched: 1\./)
  assert.deepEqual(await uidls(m), ['-', 'the-one-with-nuls'])
})

test('a list longer than a batch, with lines that are none', async () => {
  const { name, m } = await mailbox(['one', 'two'])
  await forget()
  const folder = maildir(FILES, LIST.split('\n').slice(0, 2).join('\n'))
  const list = join(folder, 'dovecot-uidlist')
  appendFileSync(list, '\nrubbish\n\n2\n2 W44\n2 w44 :1700000002.M2P1.host\n99999999999 :1700000002.M2P1.host\n')
  appendFileSync(list, Array.from({ length: 20_500 }, (_, i) => `${i + 100} W1 :gone.${i}\n`).join(''))
  appendFileSync(list, '30000 :1700000002.M2P1.host')
  const { out } = await cli('anna@example.test', folder, name)
  assert.match(out, /^Matched: 2\.\nNot matched: 20500\.\n {2}20500 are in the list/)
  assert.deepEqual(await uidls(m), [UIDLS[0], '000075306b0c4244'])
})

test('what cannot be: no list, another version, no such user or mailbox, words too few', async () => {
  const folder = maildir()
  for (const [args, code, words] of [
    [[], 2, /takes an address, a Maildir/],
    [['anna@example.test'], 2, /takes an address, a Maildir/],
    [['anna@example.test', folder, 'INBOX', 'more'], 2, /takes an address/],
    [['anna', folder], 1, /is no address/],
    [['nobody@example.test', folder], 1, /there is no mailbox nobody@example.test/],
    [['anna@example.test', folder, 'Nowhere'], 1, /has no mailbox Nowhere/],
    [['anna@example.test', join(dir, 'nowhere')], 1, /there is no dovecot-uidlist in/],
    [['anna@example.test', dir], 1, /there is no dovecot-uidlist in/],
    [['anna@example.test', maildir(FILES, '')], 1, /no dovecot-uidlist of version 3/],
    [['anna@example.test', maildir(FILES, '1 1795965508 10\n1 :x\n')], 1, /no dovecot-uidlist of version 3/],
    [['anna@example.test', maildir(FILES, '3 V0 N1\n')], 1, /no dovecot-uidlist of version 3/],
    [['anna@example.test', maildir(FILES, `3 V1\n${'x'.repeat(200_000)}\n`)], 1, /a line that is no list's/],
    [['anna@example.test', folder, '--format', '%d'], 1, /"%d" is nothing that this knows/],
    [['anna@example.test', folder, '--format', '%Qu'], 1, /"%Qu" is nothing/],
    [['anna@example.test', folder, '--format', '100%'], 1, /"%" is nothing/],
    [['anna@example.test', folder, '--name', 'x'], 2, /--name/],
  ] as const) {
    const { code: is, err } = await cli(...args)
    assert.match(err, words)
    assert.equal(is, code, err)
  }
  let err = ''
  const around = { env: {}, cwd: dir, stdin: Readable.from([]), out: () => {}, err: (text: string) => void (err += text) }
  assert.equal(await run(['--data', dir, 'mailbox', 'list', '--dry-run'], around), 2)
  assert.match(err, /--format and --dry-run are for/)
})

test('lines of the list', () => {
  assert.deepEqual(parseHeader('3 N7 V12 Gab'), { uidvalidity: 12, format: undefined })
  assert.deepEqual(parseRecord('5 W1 Pab:c G12 :name with space:2,S'), { uid: 5, base: 'name with space', uidl: 'ab:c', guid: '12' })
  assert.deepEqual(parseRecord('5 :x'), { uid: 5, base: 'x', uidl: undefined, guid: 'x' })
  for (const line of ['', '5', '5 x', 'x :y', ':y', '5 W1', '5 :', '-1 :x']) assert.equal(parseRecord(line), undefined, line)
  assert.equal(formatterOf('%%u')({ uid: 1, base: 'f', uidl: undefined, guid: 'g' }, 2), '%u')
})
