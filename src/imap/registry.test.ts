import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import { COMMANDS } from './commands/index.ts'
import { EXTENSIONS } from './extensions/index.ts'
import { createRegistry } from './registry.ts'

const all = createRegistry(COMMANDS, EXTENSIONS)

describe('what is registered', () => {
  test('every file of commands/ is in the index, once', async () => {
    const files = readdirSync(new URL('commands/', import.meta.url)).filter((file) => file !== 'index.ts' && !file.endsWith('.test.ts'))
    const exported = await Promise.all(files.map(async (file) => Object.values((await import(`./commands/${file}`)) as object)))
    assert.deepEqual(new Set(exported.flat()), new Set(COMMANDS))
    assert.equal(new Set(COMMANDS).size, COMMANDS.length)
  })

  test('every command of IMAP4rev1 is there', () => {
    const names =
      'CAPABILITY NOOP LOGOUT AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND CHECK CLOSE EXPUNGE SEARCH FETCH STORE COPY'
    for (const name of [...names.split(' '), ...['COPY', 'FETCH', 'STORE', 'SEARCH'].map((verb) => `UID ${verb}`)]) assert.ok(all.find(name), name)
  })

  test('a name is what the file is called by, in capitals', () => {
    for (const { names } of COMMANDS) for (const name of names) assert.equal(name, name.toUpperCase())
  })

  test('two commands of one name', () => assert.throws(() => createRegistry([...COMMANDS, COMMANDS[0]!], EXTENSIONS), /two IMAP commands/))
})

describe('announced', () => {
  test('nothing twice, and the mechanisms only before login', () => {
    for (const state of ['anonymous', 'authenticated', 'selected'] as const) {
      const names = all.capabilities(state)
      assert.equal(names[0], 'IMAP4rev1')
      assert.equal(new Set(names).size, names.length)
      assert.equal(names.includes('AUTH=PLAIN'), state === 'anonymous')
      assert.equal(names.includes('SASL-IR'), state === 'anonymous')
    }
  })

  for (const name of [...all.names('selected')].slice(1))
    test(`without ${name}`, () => {
      const less = createRegistry(COMMANDS, EXTENSIONS, { disable: [name.toLowerCase()] })
      assert.ok(!less.capabilities('selected').includes(name))
      for (const command of COMMANDS.filter((one) => one.capability === name))
        for (const word of command.names) assert.equal(less.find(word), undefined)
      const dependents = EXTENSIONS.filter(({ needs = [], onRequest }) => !onRequest && needs.includes(name))
      assert.equal(less.capabilities('selected').length, all.capabilities('selected').length - 1 - dependents.length)
    })

  test('what is not there or must be there cannot be disabled', () => {
    assert.throws(() => createRegistry(COMMANDS, EXTENSIONS, { disable: ['FROBNICATE'] }), /no IMAP capability FROBNICATE/)
    assert.throws(() => createRegistry(COMMANDS, EXTENSIONS, { disable: ['IMAP4rev1'] }), /cannot be disabled/)
  })
})
