import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { login } from '../auth/sasl/login.ts'
import { plain } from '../auth/sasl/plain.ts'
import { type AfterDownload, pop3Policy } from '../store/pop3-policy.ts'
import { COMMANDS } from './commands/index.ts'
import { createRegistry } from './registry.ts'
import type { Session } from './session.ts'

const registry = createRegistry(COMMANDS)
const mechanisms = [plain, login]
const session = (afterDownload?: AfterDownload): Session =>
  ({ mechanisms, secure: true, open: afterDownload && { login: { pop3: pop3Policy({ afterDownload }) } } }) as unknown as Session

test('every file of commands/ is a registered command of its name', () => {
  const files = readdirSync(new URL('commands', import.meta.url)).filter((file) => file !== 'index.ts')
  assert.deepEqual(COMMANDS.map((command) => `${command.name.toLowerCase()}.ts`).sort(), files.sort())
})

test('CAPA is what is registered', () => {
  const lines = [
    'USER',
    'SASL PLAIN LOGIN',
    'UTF8 USER',
    'LANG',
    'UIDL',
    'TOP',
    'PIPELINING',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'EXPIRE 0 USER',
    'IMPLEMENTATION Postern',
  ]
  assert.deepEqual(registry.capabilities(session()), lines)
  const withoutTop = createRegistry(COMMANDS.filter((command) => command.name !== 'TOP'))
  assert.deepEqual(
    withoutTop.capabilities(session()),
    lines.filter((line) => line !== 'TOP'),
  )
  assert.equal(withoutTop.command('TOP'), undefined)
})

test('EXPIRE says what the policy does', () => {
  for (const [policy, line] of [
    ['client', 'EXPIRE NEVER'],
    ['keep', 'EXPIRE NEVER'],
    ['delete', 'EXPIRE 0'],
    ['trash', 'EXPIRE 0'],
    ['archive', 'EXPIRE 0'],
  ] as const)
    assert.ok(registry.capabilities(session(policy)).includes(line), policy)
})

test('names in any case, and no others', () => {
  assert.equal(registry.command('retr')?.name, 'RETR')
  for (const name of ['', '__proto__', 'constructor', 'STARTTLS', 'RETRX']) assert.equal(registry.command(name), undefined)
})
