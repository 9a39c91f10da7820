/** What can be said of docker/ without an engine. docker.full.ts tries it with one. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { checkConfig, parseConfig } from '../../../src/config/load.ts'
import { words } from '../../../src/serve/words.ts'
import { RIGHTS } from '../../../src/store/redis/rights.ts'

interface Service {
  readonly image: string
  readonly init?: boolean
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly user?: string
  readonly ports?: readonly string[]
  readonly networks?: readonly string[] | Record<string, unknown>
  readonly network_mode?: string
  readonly environment?: Record<string, string>
  readonly volumes?: readonly string[]
  readonly logging?: { readonly options: Record<string, string> }
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly stop_grace_period?: string
  readonly sysctls?: Record<string, number>
  readonly command?: readonly string[]
}
interface Compose {
  readonly services: Record<string, Service>
  readonly networks: Record<string, { readonly internal?: boolean; readonly enable_ipv6?: boolean }>
  readonly volumes: Record<string, unknown>
}

const read = (file: string): string => readFileSync(`docker/${file}`, 'utf8')
const compose = (file: string): Compose => parse(read(file), { merge: true }) as Compose
const FILES = ['compose.yaml', 'compose.scale.yaml']
// biome-ignore lint/suspicious/noTemplateCurlyInString: Compose puts it in
const PUBLISHED = ['25:25', '465:465', '587:587', '993:993', '995:995', '${POSTERN_HTTPS:-443}:443']
const networksOf = ({ networks = [] }: Service): string[] => (Array.isArray(networks) ? [...networks] : Object.keys(networks))
const isPostern = ([name]: readonly [string, Service]): boolean => name.startsWith('postern')

for (const file of FILES)
  test(`${file}: what holds for every service`, () => {
    const { services, networks, volumes } = compose(file)
    assert.equal(networks['internal']?.internal, true)
    assert.equal(networks['edge']?.enable_ipv6, true)
    const published = Object.entries(services).filter(([, { ports }]) => ports)
    assert.deepEqual(
      published.map(([name]) => name),
      [file === 'compose.yaml' ? 'postern' : 'haproxy'],
    )
    assert.deepEqual(published[0]![1].ports, PUBLISHED)
    for (const [name, service] of Object.entries(services)) {
      assert.equal(service.read_only, true, name)
      assert.equal(service.init, true, name)
      assert.deepEqual(service.cap_drop, ['ALL'], name)
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
      assert.ok(service.logging?.options['max-size'] && service.logging.options['max-file'], `${name}'s log grows`)
      assert.equal(service.cap_add !== undefined, name === 'secrets', `${name}: no capability but for who makes the secrets, and ends`)
      if (name === 'secrets') assert.equal(service.network_mode, 'none')
      for (const volume of service.volumes ?? []) {
        const [from, , mode] = volume.split(':') as [string, string, string?]
        assert.ok(from.startsWith('./') || from in volumes, `${name}: ${from}`)
        assert.ok(!from.includes('docker.sock'))
        if (from.startsWith('secrets-') && name !== 'secrets') assert.deepEqual([from, mode], [`secrets-${name.replace(/-[ab]$/, '')}`, 'ro'])
      }
      // A secret is the path of a file.
      for (const [key, value] of Object.entries(service.environment ?? {})) {
        if (/PASS|SECRET|_URL|TOKEN|KEY/.test(key)) assert.match(`${key}=${value}`, /_FILE=\/run\/secrets\//)
      }
    }
    for (const name of ['postgres', 'redis']) {
      assert.deepEqual(networksOf(services[name]!), ['internal'])
      assert.equal(services[name]!.user, '999:999')
      assert.ok(services[name]!.healthcheck?.test)
    }
    const redis = services['redis']!.command!.join(' ')
    for (const said of ['--aclfile /run/secrets/redis/users.acl', '--maxmemory 128mb', '--maxmemory-policy noeviction', '--appendonly yes'])
      assert.ok(redis.includes(said), said)
    assert.doesNotMatch(services['postgres']!.command!.join(' '), /fsync|full_page_writes|synchronous_commit/)
  })

test('Postern has time to drain, stands between the networks, and its image says how it is', () => {
  const example = readFileSync('config/postern.example.yaml', 'utf8')
  const drain = Number(/^drain_seconds: (\d+)/m.exec(example)![1])
  for (const file of FILES)
    for (const [name, service] of Object.entries(compose(file).services).filter(isPostern)) {
      assert.ok(Number.parseInt(service.stop_grace_period!, 10) >= drain + 15, name)
      assert.deepEqual(networksOf(service), ['edge', 'internal'], name)
      assert.equal(service.sysctls?.['net.ipv4.ip_unprivileged_port_start'], 0)
      assert.equal(service.healthcheck, undefined, 'the image has it')
    }
})

test('what the first start of two hosts adds is a config, and believes HAProxy alone', () => {
  const { services } = compose('compose.scale.yaml')
  const more = services['postern-a']!.environment!['POSTERN_FIRST_CONFIG']!
  const { config } = checkConfig(parseConfig('x.yaml', `hostname: mail.example.org\ndomains: [example.org]\n${more}`), words)
  const own = (services['haproxy']!.networks as Record<string, Record<string, string>>)['edge']!
  assert.deepEqual(config.proxy_protocol?.from, [own['ipv4_address'], own['ipv6_address']])
  assert.equal(config.http?.host, '::')
  const backends = [...read('haproxy.cfg').matchAll(/^ +server (\S+) \1:(\d+)$/gm)]
  assert.deepEqual(
    new Set(backends.map(([, name]) => name)),
    new Set(
      Object.entries(services)
        .filter(isPostern)
        .map(([name]) => name),
    ),
  )
  assert.equal(backends.length, 2 * PUBLISHED.length)
})

test('the Dockerfile', () => {
  const text = read('Dockerfile')
  const stages = text.split(/^(?=FROM )/m).slice(1)
  assert.equal(stages.length, 2)
  for (const stage of stages) assert.match(stage, /^FROM node:24-slim\b/)
  assert.match(stages[0]!, /^ARG NPM_CONFIG_REGISTRY$/m)
  assert.match(stages[0]!, /npm ci --omit=dev --omit=optional --ignore-scripts/)
  for (const line of [/^USER 10001:10001$/m, /^HEALTHCHECK .*"postern", "health"\]$/m, /^STOPSIGNAL SIGTERM$/m, /^ENTRYPOINT \["postern"\]$/m])
    assert.match(stages[1]!, line)
  assert.doesNotMatch(text, /^(?:ARG|ENV) .*(?:PASS|SECRET|TOKEN|KEY)|apt-get/im)
  // Nothing is sent to the engine but what is named.
  const ignored = readFileSync('.dockerignore', 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
  assert.equal(ignored[0], '*')
  for (const secret of ['config/postern.yaml', 'docker/config', '**/.env'])
    assert.ok(ignored.lastIndexOf(secret) > ignored.lastIndexOf('!docker'), secret)
})

test('one line is all that somebody writes', () => assert.equal(read('.env.example'), 'POSTERN_HOSTNAME=mail.example.org\n'))

test("Redis's user may do what Postern does, and no more", () => {
  const user = /^user postern on (.*)$/m.exec(read('secrets.sh'))![1]!
  assert.deepEqual(user.match(/\+\S+/g)!.sort(), RIGHTS.map((right) => `+${right}`).sort())
  assert.match(user, /~postern:\* &postern:\* -@all /)
  assert.match(read('secrets.sh'), /^user default off$/m)
})
