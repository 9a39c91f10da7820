import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { canonical, canonicalDomain } from '../mail/address.ts'
import { ConfigRefused } from './complain.ts'
import { addMailbox, editConfig, removeMailbox, setPassword } from './edit.ts'
import { loadConfig } from './load.ts'
import type { Words } from './schema.ts'
import { firstConfig } from './template.ts'
import { watchFiles } from './watch.ts'

const words: Words = {
  address: canonical,
  domain: canonicalDomain,
  isHash: (text) => text.startsWith('$argon2id$'),
  isAppHash: () => true,
  scramSalting: (text) => /^SCRAM-SHA-256\$(\d+)/.exec(text)?.[1],
  capabilities: { disable: new Set(), enable: new Set() },
}
const dir = mkdtempSync(join(tmpdir(), 'postern-edit-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const TEXT = `# Ours, and dear to us.
hostname: mail.example.test   # the box in the cellar

domains: [ example.test ]

# People:
mailboxes:
  # Ann first.
  - address: ann@example.test
    password_hash: $argon2id$1 # changed in May
    aliases: [ info@example.test ]
  # Then Bob.
  - address: bob@example.test
    password_hash: $argon2id$2

# The end.
`
const comments = (text: string) => text.match(/#.*/g)
const addresses = (file: string) => loadConfig(file, words).config.mailboxes.map((m) => m.address)

function fresh(text = TEXT): string {
  const file = join(dir, `${Math.random()}.yaml`)
  writeFileSync(file, text)
  return file
}

test('adding, changing and removing keep every other line, the owner and the mode', async () => {
  const file = fresh()
  chmodSync(file, 0o640)
  if (process.getuid?.() === 0) chownSync(file, 65534, 65534)
  const before = statSync(file)
  await editConfig(file, words, ({ source }) => addMailbox(source, { address: 'c@example.test', password_hash: '$argon2id$3' }))
  await editConfig(file, words, ({ source }) => setPassword(source, 0, { scram: undefined, hash: '$argon2id$4' }))
  assert.deepEqual(addresses(file), ['ann@example.test', 'bob@example.test', 'c@example.test'])
  assert.equal(loadConfig(file, words).config.mailboxes[0]!.password_hash, '$argon2id$4')
  assert.deepEqual(comments(readFileSync(file, 'utf8')), comments(TEXT))
  await editConfig(file, words, ({ source }) => removeMailbox(source, 2))
  assert.equal(readFileSync(file, 'utf8').replace('$argon2id$4', '$argon2id$1').replaceAll(' ', ''), TEXT.replaceAll(' ', ''))
  const after = statSync(file)
  assert.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid])
})

test('an edit that would make the file wrong is not made', async () => {
  const file = fresh()
  for (const address of ['bob@example.test', 'info@example.test', 'c@other.test'])
    await assert.rejects(
      editConfig(file, words, ({ source }) => addMailbox(source, { address, password_hash: '$argon2id$3' })),
      ConfigRefused,
    )
  assert.equal(readFileSync(file, 'utf8'), TEXT)
})

test('from the first file, in an empty list, through a link', async () => {
  const first = fresh(
    firstConfig({ hostname: 'h.test', domain: 'example.test', address: 'me@example.test', passwordHash: '$argon2id$x', scram: undefined }),
  )
  const link = join(dir, 'link.yaml')
  symlinkSync(first, link)
  await editConfig(link, words, ({ source }) => addMailbox(source, { address: 'b@example.test', password_hash: '$argon2id$3' }))
  assert.deepEqual(addresses(first), ['me@example.test', 'b@example.test'])
  await editConfig(first, words, ({ source }) => removeMailbox(source, 0))
  await editConfig(first, words, ({ source }) => removeMailbox(source, 0))
  assert.deepEqual(addresses(first), [])
  await editConfig(first, words, ({ source }) => addMailbox(source, { address: 'b@example.test', password_hash: '$argon2id$3' }))
  assert.deepEqual(addresses(first), ['b@example.test'])
  assert.match(readFileSync(first, 'utf8'), /# {2}message_size: 50 MiB|# +message_size: 50 MiB/)
})

test('edits at the same time wait for each other; a lock of the dead is no lock', async () => {
  const file = fresh()
  writeFileSync(`${file}.lock`, '999999999\n')
  const names = Array.from({ length: 12 }, (_, i) => `u${i}@example.test`)
  await Promise.all(names.map((address) => editConfig(file, words, ({ source }) => addMailbox(source, { address, password_hash: '$argon2id$3' }))))
  assert.deepEqual(addresses(file).sort(), ['ann@example.test', 'bob@example.test', ...names].sort())
})

test('the watch hears of edits, replacements and missing files', async () => {
  const file = fresh()
  let heard: number = 0
  const watch = watchFiles([file], () => heard++, 20)
  await sleep(80)
  assert.equal(heard, 0)
  for (const change of [() => writeFileSync(file, `${TEXT}\n`), () => rmSync(file), () => writeFileSync(file, TEXT)]) {
    const so: number = heard
    change()
    await sleep(100)
    assert.equal(heard, so + 1)
  }
  const second = fresh()
  watch.files([file, second])
  await sleep(80)
  const soFar: number = heard
  writeFileSync(second, 'x')
  await sleep(100)
  assert.equal(heard, soFar + 1)
  watch.close()
})
