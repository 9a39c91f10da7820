/** What `postern doctor` says of what a domain sends on. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { Seen } from '../../src/cli/checks/check.ts'
import { onwardCheck } from '../../src/cli/checks/onward.ts'
import { checkConfig, parseConfig } from '../../src/config/load.ts'
import { dkimRecord } from '../../src/mail/dkim-record.ts'
import { words } from '../../src/serve/words.ts'
import { fakeDns, type Zone } from '../e2e/outbound/peer.ts'

const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const key = { domain: 'example.test', selector: 'r1', algorithm: 'rsa' as const, created: 1, privateKey }
const HASH = '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const forward = (to: string): string =>
  `mailboxes: [{ address: anna@example.test, password_hash: "${HASH}", forward: { to: [${to}], keep: true } }]\n`
const ZONES: Record<string, Zone> = {
  'r1._domainkey.example.test': { TXT: [dkimRecord(privateKey)] },
  'elsewhere.example': { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] },
  'here.example': { MX: [{ preference: 10, exchange: 'mail.example.test' }] },
  'none.example': { MX: [{ preference: 0, exchange: '' }] },
}

interface Changes {
  readonly keys?: Seen['keys'] | 'unknown'
  readonly zones?: typeof ZONES
  readonly domain?: string
}

async function said(yaml: string, { keys = [key], zones = ZONES, domain = 'example.test' }: Changes = {}): Promise<string[]> {
  const { config } = checkConfig(parseConfig('x.yaml', `hostname: mail.example.test\ndomains: [example.test, other.test]\n${yaml}`), words)
  const seen = { config, keys: keys === 'unknown' ? undefined : keys, world: { dns: fakeDns(zones) } } as unknown as Seen
  return (await onwardCheck(seen, domain)).map(({ verdict, about, words: text }) => `${verdict} ${about}: ${text}`)
}

test('nothing is said of a domain that sends nothing on', async () => {
  assert.deepEqual(await said(''), [])
  assert.deepEqual(await said(forward('x@elsewhere.example'), { domain: 'other.test' }), [])
})

test('a seal, and a way', async () => {
  const fine = ['ok seal on what example.test sends on: by r1', 'ok where example.test sends mail on to: elsewhere.example']
  assert.deepEqual(await said(forward('x@elsewhere.example, y@elsewhere.example')), fine)
  const list = 'lists: [{ address: team@example.test, members: [anna@example.test, x@elsewhere.example] }]\n'
  assert.deepEqual(await said(`mailboxes: [{ address: anna@example.test, password_hash: "${HASH}" }]\n${list}`), fine)
})

test('no seal: without a key, without its record, or since the config says so', async () => {
  const yaml = forward('x@elsewhere.example')
  assert.match((await said(yaml, { keys: [] }))[0]!, /^warning .*: make keys by "postern dkim add example\.test"$/)
  assert.match(
    (await said(yaml, { zones: { ...ZONES, 'r1._domainkey.example.test': {} } }))[0]!,
    /^warning .*: put the record of an RSA key into the zone/,
  )
  assert.match((await said(yaml, { keys: 'unknown' }))[0]!, /^skipped .*: the database cannot be asked/)
  assert.match((await said(`${yaml}inbound: { seal: false }\n`))[0]!, /^ok .* since "inbound\.seal" is false$/)
  assert.match((await said(`${yaml}inbound: { authenticate: false }\n`))[0]!, /^ok .* since "inbound\.authenticate" is false$/)
})

test('where mail cannot go: back here, to nobody, to a domain that is none', async () => {
  const [, ...ways] = await said(forward('x@here.example, x@none.example, x@gone.example, x@elsewhere.example'))
  assert.equal(ways.length, 3)
  assert.match(ways[0]!, /^wrong .*: Mail for here\.example would come back here/)
  assert.match(ways[1]!, /^wrong .*: none\.example takes no mail/)
  assert.match(ways[2]!, /^wrong .*: There is no domain gone\.example/)
  const troubled = await said(forward('x@elsewhere.example'), { zones: { ...ZONES, 'elsewhere.example': { trouble: true } } })
  assert.match(troubled[1]!, /^warning .*: The DNS cannot say now where mail for elsewhere\.example goes/)
  const relay = 'relay: { host: relay.example, port: 25, security: none }\n'
  assert.equal((await said(`${forward('x@gone.example')}${relay}`)).length, 1)
})
