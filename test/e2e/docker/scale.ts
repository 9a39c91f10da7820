/** compose.scale.yaml: mail in by one host, read by the other, through HAProxy; one host stopped. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { project } from './compose.ts'
import { CLIENT, type Engine } from './engine.ts'
import { arrived, inbox, type Login, send, sendByIpv6, serving, until } from './outside.ts'

const BOTH = ['postern-a', 'postern-b'] as const

export async function scale(t: TestContext, engine: Engine, tree: string): Promise<void> {
  const hosts = project({ engine, tree, name: 'scale', file: 'compose.scale.yaml' })
  // The stand-in's engine may open fewer files than a real one, and HAProxy says so at its start.
  const haproxy = join(hosts.folder, 'haproxy.cfg')
  writeFileSync(haproxy, readFileSync(haproxy, 'utf8').replace(/maxconn \d+/, 'maxconn 4000'))
  try {
    const began = performance.now()
    await hosts.compose(['up', '-d'])
    const me: Login = {
      user: 'me@example.org',
      password: (await until(async () => /Password of \S+: (\S+)/.exec(await hosts.logs('postern-a')) ?? undefined))[1]!,
    }
    await hosts.healthy(...BOTH)
    await serving(engine, me)
    t.diagnostic(`two hosts and HAProxy: the first login after ${((performance.now() - began) / 1000).toFixed(1)} s`)

    // One connection each in turn: both have taken mail.
    const subjects = Array.from({ length: 6 }, (_, i) => `number ${i}`)
    for (const subject of subjects) assert.equal((await send(engine, { to: me.user, subject })).code, 0)
    assert.equal((await sendByIpv6(engine, me.user, 'by IPv6')).code, 0)
    await arrived(engine, me, 'by IPv6')
    const found = await inbox(engine, me)
    assert.deepEqual(found.imap.map((m) => m.subject).sort(), ['by IPv6', ...subjects])
    for (const { subject, received } of found.imap)
      assert.match(received ?? '', subject === 'by IPv6' ? new RegExp(CLIENT.v6, 'i') : new RegExp(`\\[${CLIENT.v4.replaceAll('.', '\\.')}\\]`))

    // Whoever is not HAProxy and speaks for others is sent away, and nobody relays.
    const [address] = (await addresses(engine, await hosts.id('postern-a'))).filter((a) => a.startsWith('172.29.'))
    const lie = `exec 3<>/dev/tcp/${address}/25; printf 'PROXY TCP4 127.0.0.1 127.0.0.1 1 25\\r\\nEHLO a.test\\r\\n' >&3; timeout 3 cat <&3`
    const liar = await engine.run('vps', 'bash', ['-c', lie])
    assert.doesNotMatch(liar.out, /^250/m)
    assert.equal((await send(engine, { to: 'victim@elsewhere.test' })).code, 24)

    for (const gone of BOTH) {
      const stopped = performance.now()
      await hosts.compose(['stop', gone])
      for (const subject of [`without ${gone}`, `still without ${gone}`]) assert.equal((await send(engine, { to: me.user, subject })).code, 0, gone)
      await arrived(engine, me, `still without ${gone}`)
      t.diagnostic(`${gone} stopped: mail in and read by the other after ${((performance.now() - stopped) / 1000).toFixed(1)} s`)
      await hosts.compose(['start', gone])
      await hosts.healthy(gone)
      await serving(engine, me)
    }
  } finally {
    await hosts.close()
  }
}

const addresses = async (engine: Engine, container: string): Promise<string[]> =>
  (await engine.docker(['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', container])).trim().split(' ')
