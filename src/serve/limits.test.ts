import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH_LIMITS } from '../auth/limits.ts'
import { checkConfig, loadConfig, parseConfig } from '../config/load.ts'
import { IMAP_LIMITS } from '../imap/limits.ts'
import { DEFAULT_LIMITS } from '../net/admission.ts'
import { HANDSHAKE_MS } from '../net/handshake.ts'
import { POP3_LIMITS } from '../pop3/limits.ts'
import { SMTP_LIMITS } from '../smtp/limits.ts'
import { allLimits } from './limits.ts'
import { words } from './words.ts'

const EXAMPLE = join(import.meta.dirname, '..', '..', 'config', 'postern.example.yaml')
const DEFAULTS = { admission: DEFAULT_LIMITS, handshakeMs: HANDSHAKE_MS, auth: AUTH_LIMITS, smtp: SMTP_LIMITS, imap: IMAP_LIMITS, pop3: POP3_LIMITS }

test('without a section every part has its defaults', () => {
  assert.deepEqual(allLimits(), DEFAULTS)
})

test('the example file shows the defaults', () => {
  assert.deepEqual(allLimits(loadConfig(EXAMPLE, words).config.limits), DEFAULTS)
})

test('gateways have limits as many clients, in every part that counts by address', () => {
  const { admission, auth, smtp } = allLimits({}, ['172.17.0.1'])
  assert.deepEqual(
    [admission.shared, auth.shared, admission.exempt, auth.exempt],
    [['172.17.0.1'], ['172.17.0.1'], DEFAULT_LIMITS.exempt, AUTH_LIMITS.exempt],
  )
  assert.deepEqual([...smtp.exempt], [...SMTP_LIMITS.exempt, '172.17.0.1'])
})

test('every limit of the example reaches the part that it bounds', () => {
  const example = readFileSync(EXAMPLE, 'utf8')
  const start = example.indexOf('\nlimits:')
  const lines = example.slice(start).split('\n')
  for (const [i, line] of lines.entries()) {
    const [, key, value] = /^ +([a-z_]+): (\d+)(?: |$)/.exec(line) ?? []
    if (!key) continue
    const other = [...lines.slice(0, i), line.replace(value!, `${Number(value) + 1}`), ...lines.slice(i + 1)].join('\n')
    const { config } = checkConfig(parseConfig('x.yaml', example.slice(0, start) + other), words)
    assert.notDeepEqual(allLimits(config.limits), DEFAULTS, `${key} changes nothing`)
  }
})
