import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ConnectionOptions, connect, TLSSocket } from 'node:tls'
import { certificateFiles } from '../../test/support/pem.ts'
import { createTls, loadKeyPair, type ServiceTls, selfSigned, selfSignedFiles, TlsRefused } from './tls.ts'

const HOST = 'mail.example.test'
const DAY = 86_400_000
const dir = mkdtempSync(join(tmpdir(), 'postern-tls-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A server that greets; resolves to the client's socket after it read the greeting. */
async function serve(tls: ServiceTls) {
  const server = createServer((raw) => {
    raw.on('error', () => {})
    const socket = new TLSSocket(raw, { isServer: true, secureContext: tls.context() })
    socket.on('error', () => {})
    socket.write('hello')
  })
  server.listen(0, '127.0.0.1')
  server.unref() // a failed test must not wait for it
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    async visit(options: ConnectionOptions = {}) {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
      let session: Buffer | undefined
      socket.on('session', (s) => {
        session = s
      })
      await once(socket, 'data')
      const seen = {
        reused: socket.isSessionReused(),
        certificate: socket.getPeerX509Certificate()?.fingerprint256,
        version: socket.getProtocol(),
        session,
      }
      socket.destroy()
      return seen
    },
    close: () => server.close(),
  }
}

test('a self-signed certificate: made once, verified by its own PEM for every name, renewed with the same key', async () => {
  const first = selfSigned(dir, HOST)
  const { cert, key } = selfSignedFiles(dir)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  assert.equal(selfSigned(dir, HOST).cert, first.cert)
  const x509 = new X509Certificate(first.cert)
  assert.equal(x509.ca, false)
  assert.ok(x509.verify(x509.publicKey))
  assert.ok(first.expires - Date.now() < 825 * DAY)
  const server = await serve(createTls(first).service('imaps'))
  const ca = readFileSync(cert)
  for (const servername of [HOST, 'localhost', '127.0.0.1', '::1']) {
    const checkServerIdentity = () => (servername.includes('1') ? (x509.checkIP(servername) ? undefined : new Error(servername)) : undefined)
    await server.visit({ ca, rejectUnauthorized: true, ...(/[a-z]/.test(servername) ? { servername } : { checkServerIdentity }) })
  }
  await assert.rejects(server.visit({ ca, rejectUnauthorized: true, servername: 'other.test' }), /does not match/)
  server.close()

  const later = selfSigned(dir, HOST, Date.now() + 800 * DAY)
  assert.notEqual(later.cert, first.cert)
  const spki = (pem: string) => createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'pem' })
  assert.equal(spki(later.key), spki(first.key))
  const moved = selfSigned(dir, 'new.example.test')
  assert.match(moved.names, /DNS:new\.example\.test, DNS:localhost, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1/)
})

test('what cannot be used is refused by name', () => {
  const [a, b] = [certificateFiles(), certificateFiles()]
  writeFileSync(join(a.dir, 'text'), 'not a certificate')
  for (const [cert, key, word] of [
    [join(a.dir, 'missing.pem'), a.key, /missing\.pem cannot be read: it is not there/],
    [a.cert, join(a.dir, 'missing.key'), /key file .*missing\.key cannot be read/],
    [join(a.dir, 'text'), a.key, /holds no PEM certificate/],
    [a.cert, join(a.dir, 'text'), /holds no PEM private key/],
    [a.cert, b.key, /is not that of the first certificate/],
  ] as const)
    assert.throws(
      () => loadKeyPair(cert, key),
      (e) => e instanceof TlsRefused && word.test(e.message),
    )
  assert.equal(loadKeyPair(a.cert, a.key).names.split(',')[0], `DNS:${HOST}`)
  for (const { dir } of [a, b]) rmSync(dir, { recursive: true })
})

test('a replaced certificate is shown to new handshakes', async () => {
  const [a, b] = [certificateFiles(), certificateFiles()]
  const tls = createTls(loadKeyPair(a.cert, a.key))
  const server = await serve(tls.service('imaps'))
  const before = await server.visit()
  tls.replace(loadKeyPair(b.cert, b.key))
  const after = await server.visit()
  assert.notEqual(after.certificate, before.certificate)
  assert.equal(after.certificate, new X509Certificate(readFileSync(b.cert)).fingerprint256)
  server.close()
  for (const { dir } of [a, b]) rmSync(dir, { recursive: true })
})

test('a ticket resumes at its own service and nowhere else', async () => {
  const { dir, cert, key } = certificateFiles()
  const tls = createTls(loadKeyPair(cert, key))
  const [imaps, pop3s] = [await serve(tls.service('imaps')), await serve(tls.service('pop3s'))]
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { session } = await imaps.visit({ maxVersion })
    assert.ok(session, `${maxVersion} gives a session`)
    assert.equal((await imaps.visit({ maxVersion, session })).reused, true, `${maxVersion} own`)
    assert.equal((await pop3s.visit({ maxVersion, session })).reused, false, `${maxVersion} other`)
  }
  const mx = await serve(tls.service('mx'))
  const { session } = await mx.visit({ maxVersion: 'TLSv1.3' })
  if (session) assert.equal((await mx.visit({ maxVersion: 'TLSv1.3', session })).reused, false, 'port 25 gives out no tickets')
  mx.close()
  await assert.rejects(imaps.visit({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }))
  imaps.close()
  pop3s.close()
  rmSync(dir, { recursive: true })
})
