/** `postern mailbox …` with the server stopped: exit codes, words, the file. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, describe, test } from 'node:test'
import { findAppPassword } from '../../src/auth/app-password.ts'
import { verifyPassword } from '../../src/auth/password.ts'
import { run } from '../../src/cli/commands.ts'
import { loadConfig } from '../../src/config/load.ts'
import { wantedState } from '../../src/serve/wanted.ts'
import { words } from '../../src/serve/words.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-cli-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const file = join(dir, 'postern.yaml')
const TEXT = 'hostname: mail.example.test # ours\ndomains: [example.test]\n'
writeFileSync(file, TEXT)

async function cli(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await run(args, {
    env,
    cwd: dir,
    stdin: Readable.from([input]),
    out: (text) => (out += `${text}\n`),
    err: (text) => (err += `${text}\n`),
  })
  return { code, out, err }
}
const mailboxes = () => loadConfig(file, words).config.mailboxes

test('add, list, passwd, remove', async () => {
  assert.deepEqual(await cli(['--data', dir, 'mailbox', 'add', 'Ann@Example.test', '--password-stdin', '--name', 'Ann E'], 'one of mine\ntwo\n'), {
    code: 0,
    out: 'ann@example.test is there.\n',
    err: '',
  })
  assert.ok(await verifyPassword(mailboxes()[0]!.password_hash, 'one of mine'))
  assert.equal((await cli(['mailbox', '--data', dir, 'list'])).out, 'ann@example.test\tAnn E\n')
  const made = await cli(['mailbox', 'passwd', 'ann@example.test', `--data=${dir}`])
  assert.ok(await verifyPassword(mailboxes()[0]!.password_hash, made.out.trim().split(' ').at(-1)!))
  assert.equal((await cli(['mailbox', 'passwd', 'ann@example.test', '--password-stdin'], 'pässwört', { POSTERN_DATA: dir })).code, 0)
  assert.ok(await verifyPassword(mailboxes()[0]!.password_hash, 'pässwört'))
  assert.match(mailboxes()[0]!.scram!, /^SCRAM-SHA-256\$65536:/)
  // What no client can say with SCRAM has no verifier.
  assert.equal((await cli(['mailbox', 'passwd', 'ann@example.test', '--password-stdin'], 'p\u0007ssword', { POSTERN_DATA: dir })).code, 0)
  assert.equal(mailboxes()[0]!.scram, undefined)
  assert.equal((await cli(['mailbox', 'passwd', 'ann@example.test', '--password-stdin', '--weak'], 'x', { POSTERN_DATA: dir })).code, 0)
  assert.ok(await verifyPassword(mailboxes()[0]!.password_hash, 'x'), 'who says so may')
  assert.equal((await cli(['mailbox', 'remove', 'ann@example.test', '--config', file])).code, 0)
  assert.deepEqual(mailboxes(), [])
  assert.match(readFileSync(file, 'utf8'), /^hostname: mail\.example\.test # ours$/m)
})

test('app passwords: add, list, remove', async () => {
  const before = readFileSync(file, 'utf8')
  const data = ['--data', dir, 'mailbox']
  await cli([...data, 'add', 'ann@example.test'])
  const app = (...args: string[]) => cli([...data, 'app-password', ...args])
  const phone = await app('add', 'Ann@Example.test', "Ann's phone", '--scope', 'smtp,imap')
  assert.match(phone.out, /^ann@example\.test has the app password Ann's phone for imap, smtp, shown this once: app-\S+\n$/)
  assert.equal((await app('add', 'ann@example.test', 'backup')).code, 0)
  assert.equal((await app('list', 'ann@example.test')).out, "Ann's phone\timap,smtp\nbackup\timap,pop3,smtp\n")
  const kept = () => wantedState({ domains: ['example.test'], mailboxes: mailboxes(), postmaster: undefined }).accounts[0]?.appPasswords ?? []
  assert.equal(findAppPassword(kept(), phone.out.trim().split(' ').at(-1)!)?.name, "Ann's phone")
  assert.equal((await cli([...data, 'passwd', 'ann@example.test', '--password-stdin'], 'another one')).code, 0)
  const [ann] = mailboxes()
  const saltings = [ann?.scram, ...ann!.app_passwords.map(({ scram }) => scram)].map((scram) => words.scramSalting(scram!))
  assert.deepEqual([new Set(saltings).size, saltings.length], [1, 3], 'all of one mailbox are salted alike, whichever came first')
  const whole = readFileSync(file, 'utf8')
  assert.ok(!whole.includes('app-'), 'the password itself is nowhere')
  for (const [args, code, words] of [
    [['add', 'ann@example.test', 'backup'], 1, 'has an app password named backup already'],
    [['add', 'bob@example.test', 'x'], 1, 'there is no mailbox bob@example.test'],
    [['add', 'bob', 'x'], 1, '"bob" is no address'],
    [['add', 'ann@example.test', 'x'.repeat(101)], 1, 'must be a name of up to 100 characters'],
    [['remove', 'ann@example.test', 'x'], 1, 'has no app password named x'],
    [['list', 'bob@example.test'], 1, 'there is no mailbox'],
    [['add', 'ann@example.test'], 2, 'takes an address and a name'],
    [['add', 'ann@example.test', 'x', '--scope', 'http'], 2, 'each of --scope is one of imap, pop3, smtp, not "http"'],
    [['add', 'ann@example.test', 'x', '--password-stdin'], 2, 'takes neither'],
    [['list', 'ann@example.test', '--scope', 'imap'], 2, '--scope is for'],
    [['list'], 2, 'takes one address'],
    [['show'], 2, 'is followed by one of add, list, remove'],
    [[], 2, 'is followed by one of add, list, remove'],
  ] as const) {
    const refused = await app(...args)
    assert.equal(refused.code, code, args.join(' '))
    assert.ok(refused.err.includes(words), refused.err)
    assert.equal(readFileSync(file, 'utf8'), whole)
  }
  assert.equal((await app('remove', 'ann@example.test', "Ann's phone")).out, "ann@example.test has the app password Ann's phone no more.\n")
  assert.deepEqual(
    kept().map(({ name }) => name),
    ['backup'],
  )
  await app('remove', 'ann@example.test', 'backup')
  assert.ok(!readFileSync(file, 'utf8').includes('app_passwords'))
  writeFileSync(file, before)
})

describe('refused: 1, in words, the file as it was', () => {
  for (const [what, args, input, expected] of [
    [
      'another domain',
      ['add', 'b@other.test', '--password-stdin'],
      'correct horse\n',
      'the domain of b@other.test is not served here; local domains: example.test',
    ],
    ['no address', ['add', 'bob', '--password-stdin'], 'correct horse\n', '"bob" is no address'],
    ['an empty password', ['add', 'b@example.test', '--password-stdin'], '\n', 'the password is empty'],
    ['no password', ['add', 'b@example.test', '--password-stdin'], '', 'there is no password on standard input'],
    ['a long password', ['add', 'b@example.test', '--password-stdin'], `${'x'.repeat(513)}\n`, 'more than 512 octets'],
    ['a short password', ['add', 'b@example.test', '--password-stdin'], 'äöüäöü7\n', 'the password has fewer than 8 characters: it is soon guessed'],
    ['the local part', ['add', 'long.local.part@example.test', '--password-stdin'], 'Long.Local.Part\n', 'the password is the address'],
    ['the address', ['passwd', 'B@example.test', '--password-stdin'], 'B@Example.test\n', 'the password is the address'],
    ['nobody’s password', ['passwd', 'b@example.test', '--password-stdin'], 'correct horse\n', 'there is no mailbox b@example.test'],
    ['nobody’s end', ['remove', 'b@example.test'], '', 'there is no mailbox b@example.test'],
  ] as const)
    test(what, async () => {
      const before = readFileSync(file, 'utf8')
      const { code, out, err } = await cli(['--data', dir, 'mailbox', ...args], input)
      assert.deepEqual([code, out], [1, ''])
      assert.ok(err.startsWith(`postern: ${expected}`) || err.includes(expected), err)
      assert.equal(readFileSync(file, 'utf8'), before)
    })

  test('a mailbox that exists, or is an alias', async () => {
    const before = readFileSync(file, 'utf8')
    assert.equal((await cli(['--data', dir, 'mailbox', 'add', 'c@example.test', '--password-stdin'], 'correct horse')).code, 0)
    assert.match(
      (await cli(['--data', dir, 'mailbox', 'add', 'C@example.test', '--password-stdin'], 'correct horse')).err,
      /there is already a mailbox c@example\.test/,
    )
    writeFileSync(file, readFileSync(file, 'utf8').replace(/(password_hash: .*)/, '$1\n    aliases: [info@example.test]'))
    assert.match(
      (await cli(['--data', dir, 'mailbox', 'add', 'info@example.test', '--password-stdin'], 'correct horse')).err,
      /info@example\.test is an alias of c@example\.test/,
    )
    writeFileSync(file, `${readFileSync(file, 'utf8')}lists: [{address: team@example.test, members: [c@example.test]}]\n`)
    assert.match(
      (await cli(['--data', dir, 'mailbox', 'add', 'team@example.test', '--password-stdin'], 'correct horse')).err,
      /^postern: team@example\.test is a list$/m,
    )
    writeFileSync(file, before)
  })

  test('a name on two lines, a password that is no UTF-8', async () => {
    const before = readFileSync(file, 'utf8')
    const add = ['--data', dir, 'mailbox', 'add', 'd@example.test', '--password-stdin']
    assert.match((await cli([...add, '--name', 'a\nb'], 'correct horse')).err, /name must be a name on one line/)
    assert.match((await cli(add, 'x\ufffd')).err, /the password is no UTF-8/)
    assert.equal(readFileSync(file, 'utf8'), before)
  })

  test('no config, a wrong config', async () => {
    assert.match(
      (await cli(['--data', join(dir, 'none'), 'mailbox', 'list'])).err,
      /none\/postern\.yaml:1:1: the config file cannot be read: it is not there/,
    )
    assert.match(
      (await cli(['--data', join(dir, 'none'), 'mailbox', 'add', 'a@example.test', '--password-stdin'], 'correct horse')).err,
      /the config file cannot be read: it is not there/,
    )
    const wrong = join(dir, 'wrong.yaml')
    writeFileSync(wrong, `${TEXT}x: 1\n`)
    const { code, err } = await cli(['--config', wrong, 'mailbox', 'list'])
    assert.equal(code, 1)
    assert.match(err, /wrong\.yaml:3:1: x is no setting/)
  })
})

test('wrong usage: 2', async () => {
  for (const args of [
    ['mailbox'],
    ['mailbox', 'rename', 'a@example.test'],
    ['mailbox', 'add'],
    ['mailbox', 'add', 'a@example.test', 'b@example.test'],
    ['mailbox', 'list', 'a@example.test'],
    ['mailbox', 'add', 'a@example.test', '--scope', 'imap'],
    ['mailbox', 'remove', 'a@example.test', '--password-stdin'],
    ['mailbox', 'passwd', 'a@example.test', '--weak'],
    ['mailbox', 'list', '--weak'],
    ['mailbox', 'add', 'a@example.test', '--mailbox', 'x'],
    ['mailbox', 'add', 'a@example.test', '--data='],
    ['version', '--name', 'x'],
    ['help', 'me'],
    ['version', 'x'],
    ['nonsense'],
    ['--nonsense', 'list'],
  ]) {
    const { code, err } = await cli(['--config', file, ...args])
    assert.equal(code, 2, args.join(' '))
    assert.match(err, /^postern: .+\nTry "postern help"\.\n$/)
  }
})

test('version and help', async () => {
  assert.match((await cli(['version'])).out, /^postern \d+\.\d+\.\d+/)
  assert.equal((await cli(['--version'])).out, (await cli(['version'])).out)
  const { out, code } = await cli(['--help'])
  assert.equal(code, 0)
  for (const word of ['serve', 'mailbox add ADDRESS', '--data DIR', '--ports']) assert.ok(out.includes(word))
  const one = await cli(['help', 'mailbox'])
  assert.match(one.out, /^ {2}postern mailbox add ADDRESS/)
  assert.doesNotMatch(one.out, /postern serve/)
  for (const args of [
    ['mailbox', '--help'],
    ['mailbox', 'add', 'a@example.test', '-h'],
  ])
    assert.deepEqual(await cli(args), one)
})
