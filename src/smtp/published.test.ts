import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { silentLog } from '../log.ts'
import { dkimRecord, isRecordOf, quotedStrings } from '../mail/dkim-record.ts'
import { type Answer, type Dns, DnsTrouble, NoSuchName, type RecordType } from '../net/dns/dns.ts'
import type { SigningKey } from '../store/dkim.ts'
import { publishedKeys } from './published.ts'

const key = (algorithm: SigningKey['algorithm'], selector: string): SigningKey => {
  const pair = algorithm === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')
  return { domain: 'example.test', selector, algorithm, privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), created: 0 }
}

function setUp(keys: SigningKey[]) {
  const zone = new Map<string, string>()
  const clock = { ms: 0 }
  const state = { trouble: false, asked: 0 }
  const dns: Dns = {
    validates: false,
    async ask<T extends RecordType>(name: string): Promise<Answer<T>> {
      state.asked++
      if (state.trouble) throw new DnsTrouble('away')
      const found = zone.get(name)
      if (found === undefined) throw new NoSuchName('none')
      return { records: [found] as never, secure: false, name }
    },
  }
  const publish = ({ selector, domain, privateKey }: SigningKey): void => void zone.set(`${selector}._domainkey.${domain}`, dkimRecord(privateKey))
  const keysFor = publishedKeys({ keys: { list: async () => keys }, dns, log: silentLog(), now: () => clock.ms })
  return { zone, clock, state, publish, used: async () => (await keysFor('example.test')).map(({ selector }) => selector) }
}

test('a key signs from when its record is there, the newest of each kind, and no longer than that', async () => {
  const [r2, e1, r1] = [key('rsa', 'r2'), key('ed25519', 'e1'), key('rsa', 'r1')]
  const { zone, clock, publish, used } = setUp([r2, e1, r1])
  assert.deepEqual(await used(), [])
  publish(r1)
  assert.deepEqual(await used(), [], 'an answer counts for a minute')
  clock.ms += 61_000
  assert.deepEqual(await used(), ['r1'])
  publish(r2)
  publish(e1)
  clock.ms += 301_000
  assert.deepEqual(await used(), ['r1'], 'nobody waits for the new answer')
  await new Promise((done) => setImmediate(done))
  assert.deepEqual(await used(), ['r2', 'e1'])
  zone.delete('r2._domainkey.example.test')
  clock.ms += 301_000
  await used()
  await new Promise((done) => setImmediate(done))
  assert.deepEqual(await used(), ['r1', 'e1'])
})

test('while the DNS is away it stays as it was', async () => {
  const r1 = key('rsa', 'r1')
  const { clock, state, publish, used } = setUp([r1])
  publish(r1)
  assert.deepEqual(await used(), ['r1'])
  state.trouble = true
  clock.ms += 301_000
  for (let i = 0; i < 3; i++) assert.deepEqual(await used(), ['r1'])
})

test('a record is that of a key, or is not', () => {
  const [rsa, ed] = [key('rsa', 'r'), key('ed25519', 'e')]
  for (const one of [rsa, ed]) {
    const record = dkimRecord(one.privateKey)
    assert.ok(isRecordOf(record, one.privateKey))
    assert.ok(
      isRecordOf(
        record
          .replace('p=', 'P = ')
          .replace('; ', ' ;\t')
          .replace(/(.{80})/, '$1 '),
        one.privateKey,
      ),
    )
    for (const other of [
      record.replace(/k=\w+/, 'k=x'),
      record.replace('DKIM1', 'DKIM2'),
      'v=DKIM1; p=',
      '',
      'p',
      dkimRecord(one === rsa ? ed.privateKey : rsa.privateKey),
    ])
      assert.ok(!isRecordOf(other, one.privateKey), other)
  }
  assert.match(quotedStrings(dkimRecord(rsa.privateKey)), /^"v=DKIM1; k=rsa; p=[^"]{200,}" "[^"]+"$/)
})
