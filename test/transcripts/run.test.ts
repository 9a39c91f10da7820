/** Every dialogue under this folder, played. UPDATE=1 writes down what the server says instead of failing: read the difference before you commit it. */
import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { COMMANDS } from '../../src/imap/commands/index.ts'
import { EXTENSIONS } from '../../src/imap/extensions/index.ts'
import { createRegistry } from '../../src/imap/registry.ts'
import { type ImapHouse, imapHouse } from '../support/imap.ts'
import { play } from './play.ts'

const folder = fileURLToPath(new URL('imap/', import.meta.url))
/** ONLY=IDLE plays what has that in its path. */
const files = globSync(`${folder}**/*.txt`)
  .filter((file) => file.includes(process.env['ONLY'] ?? ''))
  .sort()
const userOf = (i: number): string => `user${i}`
/** Dialogues between users have a second one. */
const peerOf = (i: number): string => `peer${i}`
const hasPeer = (file: string): boolean => /^@peer /m.test(readFileSync(file, 'utf8'))

describe('imap dialogues', { concurrency: 4 }, () => {
  let house: ImapHouse
  before(async () => {
    house = await imapHouse(files.flatMap((file, i) => [userOf(i), `split${i}`, ...(hasPeer(file) ? [peerOf(i)] : [])]))
  })
  after(() => house.close())

  files.forEach((file, i) => {
    test(relative(folder, file).split(sep).join('/'), async () => {
      const script = readFileSync(file, 'utf8')
      const { updated, failure } = await play(script, { house, user: userOf(i), peer: peerOf(i) })
      if (process.env['UPDATE'] && updated !== script) writeFileSync(file, updated)
      else if (failure) throw failure
    })
  })

  // What depends on where a chunk ends: literals, IDLE, lines.
  files.forEach((file, i) => {
    if (!/\/(LITERAL[+-]|APPEND|MULTIAPPEND|CATENATE|REPLACE|IDLE|AUTHENTICATE|LOGIN)\//.test(file) || process.env['UPDATE']) return
    test(`${relative(folder, file)}, octet by octet`, async () => {
      const { failure } = await play(readFileSync(file, 'utf8'), { house, user: `split${i}`, split: true })
      if (failure) throw failure
    })
  })
})

test('every command and every announced capability has its dialogues', () => {
  const folders = new Set(readdirSync(folder))
  const request = [...COMMANDS, ...EXTENSIONS].flatMap((one) => ('onRequest' in one && one.onRequest && one.capability ? [one.capability] : []))
  const registry = createRegistry(COMMANDS, EXTENSIONS, { request })
  const announced = (['anonymous', 'selected'] as const).flatMap((state) => [...registry.names(state)])
  const verbs = COMMANDS.flatMap(({ names }) => names).filter((name) => !registry.isPrefix(name.split(' ')[0]!))
  const wanted = new Set([...announced, ...verbs])
  for (const name of wanted) assert.ok(folders.has(name), `test/transcripts/imap/${name}/ is missing`)
  for (const name of folders) assert.ok(wanted.has(name), `test/transcripts/imap/${name}/ is nothing that the server has`)
})
