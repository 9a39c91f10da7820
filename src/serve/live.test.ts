import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../config/load.ts'
import { silentLog } from '../log.ts'
import { certificateFor } from './certificate.ts'
import { keepLive } from './live.ts'
import { words } from './words.ts'

test('an edit that was made while the server started is applied when it has', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-live-'))
  const configFile = join(dir, 'postern.yaml')
  const TEXT = 'hostname: mail.example.test\ndomains: [example.test]\n'
  writeFileSync(configFile, TEXT)
  const loaded = loadConfig(configFile, words)
  const certificate = certificateFor(loaded.config, configFile, dir)
  writeFileSync(configFile, TEXT.replace(']', ', example.net]'))
  const seen = Promise.withResolvers<readonly string[]>()
  const live = keepLive({
    ...{ loaded, certificate, configFile, dataDir: dir, log: silentLog() },
    changed: async ({ domains }) => seen.resolve(domains),
  })
  const alive = setTimeout(() => seen.resolve(['nothing']), 2_000)
  assert.deepEqual(await seen.promise, ['example.test', 'example.net'])
  clearTimeout(alive)
  await live.close()
  rmSync(dir, { recursive: true })
})
