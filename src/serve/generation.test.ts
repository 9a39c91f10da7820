/** What a host does whose config file is older than another's. Which of two is older: test/contract/accounts.test.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { editConfig } from '../config/edit.ts'
import { loadConfig } from '../config/load.ts'
import { type Log, silentLog } from '../log.ts'
import type { Accounts, ConfigFile } from '../store/accounts.ts'
import { OlderConfig } from '../store/errors.ts'
import { applyMailboxes, refuseOlderConfig } from './generation.ts'
import { words } from './words.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-generation-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const configFile = join(dir, 'postern.yaml')

test('an older file is named once, its host edits nothing until it is right again', async () => {
  writeFileSync(configFile, 'hostname: mail.x.test\ndomains: [x.test]\ngeneration: 4\n')
  utimesSync(configFile, 1000, 1000)
  const given: (ConfigFile | undefined)[] = []
  let newer: string | undefined = 'another host has generation 5'
  const accounts = {
    async reconcile(_: unknown, file?: ConfigFile) {
      given.push(file)
      if (newer !== undefined) throw new OlderConfig(newer)
      return true
    },
  } as Pick<Accounts, 'reconcile'> as Accounts
  const said: unknown[] = []
  const log = { ...silentLog(), error: (what: unknown) => void said.push(what) } as unknown as Log
  const apply = () => applyMailboxes({ accounts, configFile, dataDir: dir, log }, loadConfig(configFile, words).config)

  assert.deepEqual([await apply(), await apply()], [false, false])
  assert.deepEqual(said, [{ reason: newer }])
  assert.deepEqual(given[0], { number: 4, time: 1_000_000, origin: `${hostname()}:${configFile}` })
  assert.throws(() => refuseOlderConfig(dir), { name: 'Refused', message: newer })
  newer = undefined
  assert.equal(await apply(), true)
  refuseOlderConfig(dir)
})

test('an edit by the command raises the generation, where the file has one', async () => {
  await editConfig(configFile, words, () => {})
  assert.equal(loadConfig(configFile, words).config.generation, 5)
  writeFileSync(configFile, 'hostname: mail.x.test\ndomains: [x.test]\n')
  await editConfig(configFile, words, () => {})
  assert.equal(loadConfig(configFile, words).config.generation, undefined)
})
