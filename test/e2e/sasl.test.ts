/** The mechanisms over the three protocols of the whole server, with TLS: by clients of our own that can do wrong, and by one that we did not write. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { generateAppPassword } from '../../src/auth/app-password.ts'
import { SCRAM_ITERATIONS } from '../../src/auth/scram.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { missing, run } from '../support/programs.ts'
import { type ScramChoices, ScramClient } from '../support/scram.ts'
import { postern, startServer, type TestServer } from '../support/server.ts'

const USER = 'ann@home.example.test'
const PLUS = 'SCRAM-SHA-256-PLUS'
let database: TestDatabase
let server: TestServer
let password: string
let app: string
const dir = mkdtempSync(join(tmpdir(), 'postern-sasl-'))

before(async () => {
  database = await testDatabase()
  server = await startServer({ env: { DATABASE_URL: database.url }, args: ['--mailbox', USER] })
  password = server.endpoints.mailboxes[0]!.password!
  const made = await postern(['--data', server.dir, 'mailbox', 'app-password', 'add', USER, 'phone', '--scope', 'imap'])
  app = made.out.trim().split(' ').at(-1)!
  for (let tries = 0; tries < 100; tries++) {
    if ((await exchange('imaps', 'PLAIN', [() => `\0${USER}\0${app}`])).ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail('the app password never came')
})
after(async () => {
  await server?.close()
  await database?.close()
  rmSync(dir, { recursive: true, force: true })
})

const SERVICES = ['imaps', 'pop3s', 'submissions', 'submission'] as const
type Service = (typeof SERVICES)[number]

/** Lines of a socket, one at a time. */
class Lines {
  readonly socket: Socket | TLSSocket
  #text = ''
  constructor(socket: Socket | TLSSocket) {
    this.socket = socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => (this.#text += chunk.toString('latin1')))
  }
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#text)
      if (found) {
        this.#text = this.#text.slice(found.index + found[0].length)
        return found[0]
      }
      if (this.socket.destroyed || this.socket.readableEnded) return this.#text
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')])
    }
  }
  say(line: string): void {
    this.socket.write(`${line}\r\n`)
  }
}

/** A connection where AUTH may be said, with what it offers. */
async function open(service: Service, options: ConnectionOptions = {}): Promise<{ lines: Lines; offered: string[] }> {
  const address = { host: 'localhost', port: server.port(service) }
  const secure = (more: ConnectionOptions) => connect({ rejectUnauthorized: false, ...options, ...more })
  let lines: Lines
  if (service === 'submission') {
    const plain = new Lines(connectTcp(address))
    await plain.until(/^220 .*\r\n/m)
    plain.say('STARTTLS')
    await plain.until(/^220 .*\r\n/m)
    plain.socket.removeAllListeners('data')
    const socket = secure({ socket: plain.socket })
    await once(socket, 'secureConnect')
    lines = new Lines(socket)
  } else lines = new Lines(secure(address))
  if (service === 'imaps') {
    const greeting = await lines.until(/^\* OK .*\r\n/m)
    return { lines, offered: [...greeting.matchAll(/AUTH=(\S+?)[\] ]/g)].map((m) => m[1]!) }
  }
  if (service === 'pop3s') {
    await lines.until(/^\+OK .*\r\n/m)
    lines.say('CAPA')
    return { lines, offered: /^SASL (.*)\r\n/m.exec(await lines.until(/^\+OK (?:.*\r\n)*?\.\r\n/m))?.[1]?.split(' ') ?? [] }
  }
  if (service === 'submissions') await lines.until(/^220 .*\r\n/m)
  lines.say('EHLO client.test')
  return { lines, offered: /^250-AUTH (.*)\r\n/m.exec(await lines.until(/^(?:250-.*\r\n)*250 .*\r\n/m))?.[1]?.split(' ') ?? [] }
}

/** What the client says: of what the server said, in the clear. */
type Answer = (server: string) => string

interface Outcome {
  readonly ok: boolean
  readonly reply: string
  readonly offered: readonly string[]
}

async function exchange(
  service: Service,
  mechanism: string,
  answers: readonly Answer[] | ((socket: TLSSocket) => readonly Answer[]),
  options?: ConnectionOptions,
): Promise<Outcome> {
  const { lines, offered } = await open(service, options)
  const left = [...(typeof answers === 'function' ? answers(lines.socket as TLSSocket) : answers)]
  const b64 = (text: string) => Buffer.from(text).toString('base64')
  lines.say(service === 'imaps' ? `a AUTHENTICATE ${mechanism}` : `AUTH ${mechanism}`)
  for (;;) {
    const reply = await lines.until(/^(?:a |-ERR|\+OK|\+ |[2345]\d\d ).*\r\n/m)
    const challenge = /^(?:\+|334) (.*)\r\n/.exec(reply)?.[1]
    if (challenge === undefined) {
      // The maildrop is free again when the server has said so.
      if (service === 'pop3s') {
        lines.say('QUIT')
        await lines.until(/^\+OK .*\r\n/m)
      }
      lines.socket.destroy()
      return { ok: /^(?:a OK|\+OK|235)/.test(reply), reply, offered }
    }
    lines.say(b64((left.shift() ?? (() => assert.fail(`asked for more: ${reply}`)))(Buffer.from(challenge, 'base64').toString())))
  }
}

/** The whole of SCRAM; `bend` may change what the client says last. */
function scram(choices: Partial<ScramChoices>, bend = (final: string) => final): Answer[] {
  const client = new ScramClient({ user: USER, password, ...choices })
  return [
    () => client.first,
    (s) => bend(client.final(s)),
    (s) => {
      assert.equal(s, client.expected)
      return ''
    },
  ]
}

const bound =
  (type: string, more: Partial<ScramChoices> = {}) =>
  (socket: TLSSocket): Answer[] =>
    scram({ flag: `p=${type}`, data: dataOf(socket, type), ...more })

function dataOf(socket: TLSSocket, type: string): Buffer {
  if (type === 'tls-exporter') return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  // Our certificate is signed with SHA-256.
  return createHash('sha256').update(socket.getPeerCertificate().raw).digest()
}

for (const service of SERVICES)
  describe(service, () => {
    test('SCRAM, bound and not; PLAIN and LOGIN as ever', async () => {
      const plus = await exchange(service, PLUS, bound('tls-exporter'))
      assert.ok(plus.ok, plus.reply)
      assert.deepEqual(plus.offered, [PLUS, 'SCRAM-SHA-256', 'PLAIN', 'LOGIN'])
      for (const [mechanism, answers] of [
        [PLUS, bound('tls-server-end-point')],
        ['SCRAM-SHA-256', scram({})],
        ['PLAIN', [() => `\0${USER}\0${password}`]],
        ['LOGIN', [() => USER, () => password]],
      ] as const) {
        const { ok, reply } = await exchange(service, mechanism, answers)
        assert.ok(ok, `${mechanism}: ${reply}`)
      }
    })

    test('refused: a binding of another channel, a downgrade, a wrong proof', async () => {
      const other = await open(service)
      const data = dataOf(other.lines.socket as TLSSocket, 'tls-exporter')
      other.lines.socket.destroy()
      for (const [mechanism, answers] of [
        [PLUS, scram({ flag: 'p=tls-exporter', data })],
        [PLUS, scram({ flag: 'p=tls-unique', data })],
        ['SCRAM-SHA-256', scram({ flag: 'y' })],
        ['SCRAM-SHA-256', scram({ password: 'wrong' })],
      ] as const) {
        const { ok, reply } = await exchange(service, mechanism, answers)
        assert.equal(ok, false)
        assert.match(reply, /^(?:a NO \[AUTHENTICATIONFAILED\]|-ERR \[AUTH\]|535 5\.7\.8)/)
      }
    })

    test('over TLS 1.2 -PLUS is neither offered nor taken, and a client that could bind says y', async () => {
      const tls12: ConnectionOptions = { maxVersion: 'TLSv1.2' }
      const { ok, reply, offered } = await exchange(service, 'SCRAM-SHA-256', scram({ flag: 'y' }), tls12)
      assert.ok(ok, reply)
      assert.deepEqual(offered, ['SCRAM-SHA-256', 'PLAIN', 'LOGIN'])
      assert.match((await exchange(service, PLUS, [], tls12)).reply, /^(?:a NO \[CANNOT\]|-ERR|504)/)
    })

    test('an app password is for what it is for, by SCRAM too', async () => {
      for (const mechanism of ['SCRAM-SHA-256', 'PLAIN']) {
        const answers = mechanism === 'PLAIN' ? [() => `\0${USER}\0${app}`] : scram({ password: app })
        assert.equal((await exchange(service, mechanism, answers)).ok, service === 'imaps')
      }
    })
  })

test('a user that is not there is asked like one that is, and always the same', async () => {
  const salts = new Map<string, Set<string>>()
  for (const user of [USER, 'nobody@home.example.test', 'nobody@home.example.test', 'else@home.example.test', USER]) {
    const client = new ScramClient({ user, password: generateAppPassword() })
    await exchange('imaps', 'SCRAM-SHA-256', [
      () => client.first,
      (s) => {
        const [, salt, count] = /,s=([^,]+),i=(\d+)$/.exec(s) ?? []
        assert.equal(count, String(SCRAM_ITERATIONS))
        assert.equal(Buffer.from(salt!, 'base64').length, 16)
        salts.set(user, (salts.get(user) ?? new Set()).add(salt!))
        return client.final(s)
      },
    ])
  }
  assert.deepEqual(
    [...salts.values()].map((s) => s.size),
    [1, 1, 1],
  )
  assert.equal(new Set([...salts.values()].flatMap((s) => [...s])).size, 3)
})

describe('msmtp, with GNU SASL', { skip: missing('msmtp') }, () => {
  for (const right of [true, false])
    test(`SCRAM-SHA-256, ${right ? 'right' : 'wrong'}`, async () => {
      const rc = join(dir, `msmtprc-${right}`)
      const settings = {
        ...{ account: 'default', host: 'localhost', port: server.port('submissions'), tls: 'on', tls_starttls: 'off', tls_certcheck: 'off' },
        ...{ auth: 'scram-sha-256', user: USER, password: right ? password : 'wrong', from: USER },
      }
      const text = Object.entries(settings).map(([key, value]) => `${key} ${value}\n`)
      writeFileSync(rc, text.join(''), { mode: 0o600 })
      const { code, err } = await run('msmtp', ['-C', rc, USER], { input: `From: ${USER}\nTo: ${USER}\nSubject: x\n\nx\n` })
      assert.equal(code === 0, right, err)
      if (!right) assert.match(err, /535/)
    })
})
