/** Whether mail programs find the settings of a domain by themselves: what the DNS and the certificate say. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Seen, World } from '../../src/cli/checks/check.ts'
import { setUpCheck } from '../../src/cli/checks/domain.ts'
import { lineOf } from '../../src/cli/doctor.ts'
import { type ShownCertificate, shownCertificate } from '../../src/cli/zone/setting.ts'
import { checkConfig, parseConfig } from '../../src/config/load.ts'
import { servedPorts } from '../../src/serve/served.ts'
import { words } from '../../src/serve/words.ts'
import { fakeDns, type Zone } from '../e2e/outbound/peer.ts'
import { certificateFiles } from '../support/pem.ts'
import { removeFolder } from '../support/temp.ts'

const US: Zone = { A: ['198.51.100.7'] }
const ELSEWHERE: Zone = { A: ['192.0.2.25'] }
const made = ['mail', 'autoconfig'].map((label) => certificateFiles(`${label}.example.test`))
after(() => {
  for (const { dir } of made) removeFolder(dir)
})
const [forHost, forAutoconfig] = made.map((tls) => ({ ...shownCertificate({ tls }, '/postern.yaml', '/')!, selfSigned: false })) as [
  ShownCertificate,
  ShownCertificate,
]

async function said(zones: Record<string, Zone>, certificate: ShownCertificate = forHost, yaml = ''): Promise<string> {
  const { config } = checkConfig(parseConfig('postern.yaml', `hostname: mail.example.test\ndomains: [example.test]\n${yaml}`), words)
  const dns = fakeDns({ 'mail.example.test': US, ...zones })
  const nobody = () => Promise.reject(new Error('nobody is asked'))
  const world: World = { dns, connect: nobody, clock: nobody, policy: nobody }
  const rest = { world, domains: ['example.test'], addresses: [], keys: [], reach: '' }
  const seen: Seen = { config, certificate, ports: servedPorts(config, undefined), ...rest }
  return (await setUpCheck(seen, 'example.test')).map(lineOf).join('\n')
}

test('the names lead here, and the certificate is for them', async () => {
  assert.match(await said({ 'autoconfig.example.test': US }, forAutoconfig), /^ok +set-up of example\.test: autoconfig\.example\.test$/)
})

test('what is missing is said', async () => {
  assert.match(await said({}), /^ok .*neither autoconfig\.example\.test nor autodiscover\.example\.test is in the DNS/)
  const srv = (target: string): Zone => ({ SRV: [{ priority: 0, weight: 1, port: 443, target }] })
  assert.match(await said({ '_autodiscover._tcp.example.test': srv('mail.example.test') }), /^ok .*by _autodiscover\._tcp\.example\.test alone/)
  assert.match(await said({ '_autodiscover._tcp.example.test': srv('web.example.test') }), /^ok .*neither/)
  assert.match(await said({ 'autoconfig.example.test': US }), /^wrong .*the certificate is not for autoconfig\.example\.test/)
  const both = { 'autoconfig.example.test': US, 'autodiscover.example.test': US }
  assert.match(await said(both, forAutoconfig), /^wrong .*the certificate is not for autodiscover\.example\.test/)
  assert.match(await said(both, { ...forAutoconfig, selfSigned: true }), /^wrong .*not for autoconfig\.example\.test and autodiscover/)
  const other = { ...both, 'autodiscover.example.test': ELSEWHERE }
  assert.match(await said(other, forAutoconfig), /^warning .*autodiscover\.example\.test is not mail\.example\.test/)
})

test('nothing is looked for where it is off', async () => {
  const off = 'listeners: { https: { enabled: false } }'
  assert.match(await said({ 'autoconfig.example.test': ELSEWHERE }, forHost, off), /^ok .*"listeners\.https" is off/)
})
