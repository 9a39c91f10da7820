import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPolicy, stsIdOf } from '../smtp/outbound/mta-sts/policy.ts'
import { type OwnStsPolicy, stsPolicyId, stsPolicyText, stsRecord } from './mta-sts.ts'

const TESTING: OwnStsPolicy = { mode: 'testing', mx: ['mail.example.org'] }

test('the text, and the id that was always made of it', () => {
  assert.equal(stsPolicyText(TESTING), 'version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmax_age: 604800\r\n')
  assert.equal(stsPolicyId(TESTING), '0c7edbd80dff2db3b97b')
})

test('what we write is what we read of others', () => {
  for (const mode of ['none', 'testing', 'enforce'] as const)
    for (const mx of [['mail.example.org'], ['a.example.org', 'b.example.org']]) {
      const policy = { mode, mx, maxAge: 86_400 }
      assert.deepEqual(readPolicy(stsPolicyText(policy)), policy)
      assert.equal(stsIdOf(['v=spf1 -all', stsRecord(policy)]), stsPolicyId(policy))
    }
  assert.deepEqual(readPolicy(stsPolicyText({ mode: 'none', mx: [] })), { mode: 'none', mx: [], maxAge: 604_800 })
})

test('the id changes with mode, hosts and age', () => {
  const policies: OwnStsPolicy[] = [TESTING, { ...TESTING, mode: 'enforce' }, { ...TESTING, mx: ['mx.example.org'] }, { ...TESTING, maxAge: 86_400 }]
  assert.equal(new Set(policies.map(stsPolicyId)).size, policies.length)
})
