import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../log.ts'
import { grantAccount } from '../store/access.ts'
import type { AccountId } from '../store/types.ts'
import { COMMANDS } from './commands/index.ts'
import { EXTENSIONS } from './extensions/index.ts'
import { createRegistry } from './registry.ts'
import { type Services, Session, type SessionOf } from './session.ts'

/** What belongs to the connection, whoever is logged in. */
const OF_THE_CONNECTION = ['services', 'remote', 'out', 'bindings', 'exchange', 'loggedOut']

test('UNAUTHENTICATE leaves nothing of the login: a field that is added here must be reset there', async () => {
  const registries = new Map<string, ReturnType<typeof createRegistry>>()
  const registryWithout = (disable: readonly string[]) => {
    const key = disable.join()
    const made = registries.get(key) ?? createRegistry(COMMANDS, EXTENSIONS, { disable })
    registries.set(key, made)
    return made
  }
  const calls: string[] = []
  const services = { registryWithout, authenticator: {} } as unknown as Services
  const of = {
    log: silentLog(),
    remote: '192.0.2.1',
    out: {},
    exchange: {},
    admitted: () => calls.push('admitted'),
    forgotten: () => calls.push('forgotten'),
  }
  const session = new Session(services, of as unknown as SessionOf)
  const state = () => Object.fromEntries(Object.entries(session).map(([key, value]) => [key, value instanceof Set ? [...value] : value]))
  const fresh = state()

  session.admit(grantAccount(1 as AccountId, 'ann@example.test'), ['IDLE'], () => calls.push('left'))
  for (const name of session.registry.enableable.keys()) session.enable(name)
  session.selected = { close: async () => void calls.push('closed') } as unknown as typeof session.selected
  session.notifier = { close: () => calls.push('unwatched') } as unknown as typeof session.notifier
  session.quiet = true
  const used = state()
  for (const key of Object.keys(used).filter((key) => !OF_THE_CONNECTION.includes(key)))
    assert.notDeepEqual(used[key], fresh[key], `${key} is not tried`)

  await session.unauthenticate()
  assert.deepEqual(state(), fresh)
  assert.equal(session.state, 'anonymous')
  assert.deepEqual(calls, ['admitted', 'left', 'unwatched', 'closed', 'forgotten'])
  await session.dispose()
  assert.equal(calls.filter((call) => call === 'left').length, 1)
})
