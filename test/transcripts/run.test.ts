/** Every dialogue under this folder, played. UPDATE=1 writes down what the server says instead of failing: read the difference before you commit it. */
import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SASL_MECHANISMS } from '../../src/auth/sasl/index.ts'
import { COMMANDS } from '../../src/imap/commands/index.ts'
import { EXTENSIONS } from '../../src/imap/extensions/index.ts'
import { createRegistry } from '../../src/imap/registry.ts'
import { COMMANDS as POP3_COMMANDS } from '../../src/pop3/commands/index.ts'
import { createRegistry as createPop3Registry } from '../../src/pop3/registry.ts'
import { CODES } from '../../src/pop3/reply.ts'
import type { Session } from '../../src/pop3/session.ts'
import { RFCS } from '../../src/rfc/index.ts'
import { AFTER_DOWNLOAD, DEFAULT_POP3 } from '../../src/store/pop3-policy.ts'
import { type ImapHouse, imapHouse } from '../support/imap.ts'
import { ImapPlayer } from './imap-player.ts'
import { type Player, type PlayOptions, play } from './play.ts'
import { Pop3Player } from './pop3-player.ts'

const folderOf = (protocol: string): string => fileURLToPath(new URL(`${protocol}/`, import.meta.url))
const userOf = (i: number): string => `user${i}`
/** Dialogues between users have a second one. */
const peerOf = (i: number): string => `peer${i}`
const hasPeer = (file: string): boolean => /^@peer /m.test(readFileSync(file, 'utf8'))

interface Dialogues {
  readonly Player: new (options: PlayOptions) => Player
  /** What depends on where a chunk ends. */
  readonly split: RegExp
}

const PROTOCOLS: Readonly<Record<string, Dialogues>> = {
  // Literals, IDLE, lines.
  imap: { Player: ImapPlayer, split: /\/(LITERAL[+-]|APPEND|MULTIAPPEND|CATENATE|REPLACE|IDLE|AUTHENTICATE|LOGIN)\// },
  pop3: { Player: Pop3Player, split: /\/(USER|PASS|AUTH|TOP)\// },
}

for (const [protocol, { Player, split }] of Object.entries(PROTOCOLS))
  describe(`${protocol} dialogues`, { concurrency: 4 }, () => {
    const folder = folderOf(protocol)
    /** ONLY=IDLE plays what has that in its path. */
    const files = globSync(`${folder}**/*.txt`)
      .filter((file) => file.includes(process.env['ONLY'] ?? ''))
      .sort()
    let house: ImapHouse
    before(async () => {
      house = await imapHouse(files.flatMap((file, i) => [userOf(i), `split${i}`, ...(hasPeer(file) ? [peerOf(i)] : [])]))
    })
    after(() => house.close())

    files.forEach((file, i) => {
      test(relative(folder, file).split(sep).join('/'), async () => {
        const script = readFileSync(file, 'utf8')
        const { updated, failure } = await play(script, new Player({ house, user: userOf(i), peer: peerOf(i) }))
        if (process.env['UPDATE'] && updated !== script) writeFileSync(file, updated)
        else if (failure) throw failure
      })
    })

    files.forEach((file, i) => {
      if (!split.test(file) || process.env['UPDATE']) return
      test(`${relative(folder, file)}, octet by octet`, async () => {
        const { failure } = await play(readFileSync(file, 'utf8'), new Player({ house, user: `split${i}`, split: true }))
        if (failure) throw failure
      })
    })
  })

function foldersAre(protocol: string, wanted: ReadonlySet<string>): void {
  const folders = new Set(readdirSync(folderOf(protocol)))
  for (const name of wanted) assert.ok(folders.has(name), `test/transcripts/${protocol}/${name}/ is missing`)
  for (const name of folders) assert.ok(wanted.has(name), `test/transcripts/${protocol}/${name}/ is nothing that the server has`)
}

test('every command and every announced capability of IMAP has its dialogues', () => {
  const request = [...COMMANDS, ...EXTENSIONS].flatMap((one) => ('onRequest' in one && one.onRequest && one.capability ? [one.capability] : []))
  const registry = createRegistry(COMMANDS, EXTENSIONS, { request })
  const announced = (['anonymous', 'selected'] as const).flatMap((state) => [...registry.names(state)])
  const verbs = COMMANDS.flatMap(({ names }) => names).filter((name) => !registry.isPrefix(name.split(' ')[0]!))
  foldersAre('imap', new Set([...announced, ...verbs]))
})

test('every command and every line of CAPA of POP3 has its dialogues, and its RFC', () => {
  const registry = createPop3Registry(POP3_COMMANDS)
  const session = (secure: boolean, open?: object): Session => ({ mechanisms: [], secure, open }) as unknown as Session
  const sessions = [session(false), session(true), session(true, { login: { pop3: { ...DEFAULT_POP3, loginDelay: 60 } } })]
  const announced = sessions.flatMap((one) => registry.capabilities(one)).map((line) => line.split(' ')[0]!)
  foldersAre('pop3', new Set([...announced, ...POP3_COMMANDS.map(({ name }) => name)]))
  const listed = new Set(RFCS.flatMap(({ pop3 = [] }) => pop3))
  for (const name of announced) assert.ok(listed.has(name), `src/rfc/ says nothing of ${name}`)
  const numbers = new Set(RFCS.map(({ number }) => number))
  for (const { name, rfc } of POP3_COMMANDS) assert.ok(numbers.has(Number(/^RFC (\d+)/.exec(rfc)?.[1])), `src/rfc/ lacks ${name}'s ${rfc}`)
})

test('every response code, mechanism and policy of POP3 is in some dialogue', () => {
  const all = globSync(`${folderOf('pop3')}**/*.txt`).map((file) => readFileSync(file, 'utf8'))
  const shows = (pattern: RegExp): boolean => all.some((text) => pattern.test(text))
  for (const code of CODES) assert.ok(shows(new RegExp(`^S\\d: -ERR \\[${code}\\] `, 'm')), code)
  for (const { name } of SASL_MECHANISMS) assert.ok(shows(new RegExp(`^C\\d: AUTH ${name}\\b`, 'm')), name)
  for (const policy of AFTER_DOWNLOAD) assert.ok(policy === DEFAULT_POP3.afterDownload || shows(new RegExp(`"afterDownload": "${policy}"`)), policy)
  for (const setting of ['folder', 'maxListed', 'seenOnRetr', 'loginDelay', 'outlookRepairs'])
    assert.ok(shows(new RegExp(`^@policy .*"${setting}"`, 'm')), setting)
})
