/** Every command with a file where a folder is expected, a folder where a file is, one without rights, and a full disk: a sentence, 1, and nothing left over. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { write } from '../../src/cli/backup/backup.ts'
import { run } from '../../src/cli/commands.ts'
import { type Disk, mountDisk, noDisks } from '../faults/disk.ts'
import { dataFolder, type Ended, postern } from '../support/server.ts'

const dir = dataFolder()
const at = (...names: string[]): string => join(dir, ...names)
const CONFIG = 'hostname: mail.example.test\ndomains: [example.test]\n'

before(() => {
  for (const name of ['folder', 'kept', 'closed']) mkdirSync(at(name))
  mkdirSync(at('maildir', 'dovecot-uidlist'), { recursive: true })
  writeFileSync(at('file'), '')
  writeFileSync(at('kept', 'postern.yaml'), CONFIG)
  writeFileSync(at('tls.yaml'), `${CONFIG}tls: { cert: folder, key: folder }\n`)
  chmodSync(at('closed'), 0o700)
})
after(() => rmSync(dir, { recursive: true, force: true }))

/** In this process; what serves has one of its own. */
async function cli(...args: readonly string[]): Promise<Ended> {
  if (args[0] === 'serve') return postern(args)
  let [out, err] = ['', '']
  const around = {
    env: {},
    cwd: dir,
    stdin: Readable.from([]),
    out: (text: string) => (out += `${text}\n`),
    err: (text: string) => (err += `${text}\n`),
  }
  return { code: await run(args, around), out, err }
}

/** No word of the system's, no name of a function, no stack. */
function isSentence({ code, out, err }: Ended, words: string): void {
  assert.deepEqual([code, out], [1, ''], err)
  assert.match(err, /^postern: [^\n]+\n$/)
  assert.doesNotMatch(err, /\bE[A-Z]{3,}\b|illegal operation|permission denied|no space left|node:/i)
  assert.ok(err.includes(words), err)
}

const COMMANDS = [
  ['serve', '--ports', 'auto'],
  ['mailbox', 'list'],
  ['mailbox', 'add', 'a@example.test'],
  ['queue', 'list'],
  ['dkim', 'list'],
  ['dns'],
  ['reports'],
]

describe('a file where a folder is expected', () => {
  for (const command of [...COMMANDS, ['doctor', '--offline'], ['backup', at('b')]])
    test(command.join(' '), async () => {
      const words =
        command[0] === 'serve' ? 'cannot be used: it is a file' : 'the config file cannot be read: something on the way to it is no folder'
      isSentence(await cli(...command, '--data', at('file')), words)
    })
  test('restore', async () => {
    isSentence(
      await postern(['restore', at('kept', 'postern.yaml'), '--data', at('file')]),
      `The data folder ${at('file')} cannot be used: it is a file.`,
    )
    isSentence(await cli('restore', at('kept', 'postern.yaml'), '--data', at('file', 'in')), 'something on the way to it is no folder')
  })
  test('a place where no folder can be made', { skip: process.platform !== 'linux' && 'there is no /proc' }, async () => {
    isSentence(await postern(['serve', '--data', '/proc/none/data']), 'The data folder /proc/none/data cannot be used: it is not there.')
  })
  test('backup', async () => {
    isSentence(await cli('backup', at('file', 'b'), '--data', at('kept')), `${at('file')} is no folder`)
  })
})

describe('a folder where a file is expected', () => {
  for (const [args, words] of [
    [['mailbox', 'list', '--config', at('folder')], 'the config file cannot be read: it is a folder'],
    [['serve', '--config', at('folder'), '--data', at('new')], 'the config file cannot be read: it is a folder'],
    [['serve', '--config', at('tls.yaml'), '--data', at('new')], `The certificate file ${at('folder')} cannot be read: it is a folder.`],
    [['backup', at('folder'), '--data', at('kept')], `${at('folder')} is a folder: name a file in it`],
    [
      ['backup', at('b'), '--data', at('kept'), '--config', at('tls.yaml')],
      `${at('folder')} belongs into the backup and cannot be read: it is a folder`,
    ],
    [['restore', at('folder'), '--data', at('new')], `the backup ${at('folder')} cannot be read: it is a folder`],
    [['restore', at('none'), '--data', at('new')], `the backup ${at('none')} cannot be read: it is not there`],
    [['mailbox', 'import-uidl', 'a@example.test', at('maildir'), '--data', at('kept')], 'there is no dovecot-uidlist in'],
  ] as const)
    test(`${args[0]} ${words}`, async () => isSentence(await cli(...args), words))
})

describe('a folder without rights', { skip: process.getuid?.() !== 0 && 'only root may become somebody else' }, () => {
  const asNobody = (...args: string[]): Ended => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, '..', 'support', 'as-nobody.ts'), ...args], {
      encoding: 'utf8',
    })
    return { code: status, out: stdout, err: stderr }
  }
  test('that may not be entered', () => {
    isSentence(asNobody('mailbox', 'list', '--data', at('closed')), 'the config file cannot be read: this user may not')
    isSentence(asNobody('restore', at('tls.yaml'), '--data', at('closed', 'in')), 'cannot be used: this user may not write there')
  })
  for (const [args, words] of [
    [['mailbox', 'add', 'a@example.test'], 'postern.yaml.lock cannot be made: this user may not'],
    [['queue', 'list'], 'cannot be used: this user may not write there'],
    [['restore', at('tls.yaml')], 'cannot be used: this user may not write there'],
    [['backup', at('closed', 'b')], `${at('closed', 'b')} cannot be written: this user may not`],
    [['backup', at('folder', 'b')], `${at('folder', 'b')} cannot be written: this user may not`],
    [['restore', at('closed', 'b')], `the backup ${at('closed', 'b')} cannot be read: this user may not`],
  ] as const)
    test(`${args[0]}, that may not be written: ${words}`, () => isSentence(asNobody(...args, '--data', at('kept')), words))
})

describe('a full disk', { skip: noDisks() }, () => {
  let disk: Disk
  before(() => {
    disk = mountDisk(at('full'), 1)
  })
  after(() => disk.unmount())
  const there = (...names: string[]): string => join(disk.path, ...names)
  test('the first start and restore', async () => {
    disk.fill(0)
    for (const command of [
      ['serve', '--ports', 'auto'],
      ['restore', at('tls.yaml')],
    ])
      isSentence(await cli(...command, '--data', there('new')), `The data folder ${there('new')} cannot be used: its disk is full.`)
  })
  test('an edit of the config leaves the file, and no lock that keeps the next one out', async () => {
    disk.empty()
    mkdirSync(there('data'))
    writeFileSync(there('data', 'postern.yaml'), CONFIG)
    disk.fill(0)
    for (let n = 0; n < 2; n++) isSentence(await cli('mailbox', 'add', 'a@example.test', '--data', there('data')), 'cannot be made: its disk is full')
    isSentence(await cli('dkim', 'add', 'example.test', '--data', there('data')), 'cannot be used: its disk is full')
    assert.deepEqual(readdirSync(there('data')), ['postern.yaml'])
  })
  test('a backup has no file of its own name, and none of another', async () => {
    await assert.rejects(writeBackup(), { message: `${there('backup')} cannot be written: its disk is full` })
    assert.deepEqual(
      readdirSync(disk.path).filter((name) => name.startsWith('backup')),
      [],
    )
  })
  /** As the command does it, of rows that are larger than the disk. */
  const writeBackup = (): Promise<unknown> => {
    const rows = async function* () {
      for (let n = 0; n < 64; n++) yield randomBytes(65_536)
    }
    const dump = { migrations: [], server: {}, tables: [{ name: 'content', columns: [] }], rows } as unknown as Parameters<typeof write>[2]
    return write(there('backup'), { entries: [], elsewhere: [] }, dump)
  }
})
