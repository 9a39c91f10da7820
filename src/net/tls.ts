/** Certificates: read, checked, replaced while the server runs; and one TLS context per service, so that a session ticket of one is worth nothing at another. */
import { constants, createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { faultOf } from '../file-faults.ts'
import { makeSelfSigned } from './self-signed.ts'

/** Says, in a sentence for people, why a certificate cannot be used. */
export class TlsRefused extends Error {
  override readonly name = 'TlsRefused'
}

/** A chain and its key, both PEM, known to belong together. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
  /** Milliseconds since 1970. */
  readonly expires: number
  /** As the certificate writes them: `DNS:mail.example.org, IP Address:127.0.0.1`. */
  readonly names: string
}

/** What a listener needs to start TLS for one service. */
export interface ServiceTls {
  /** The context of this moment: ask at each handshake, a reload replaces it. For `new TLSSocket(socket, { isServer: true, secureContext })`. */
  context(): SecureContext
}

export interface Tls {
  /** The same object for the same name. */
  service(name: string): ServiceTls
  /** New handshakes get this certificate, running sessions live on. */
  replace(pair: KeyPair): void
  readonly current: KeyPair
}

/** Ticket keys older than this are not used for new sessions; who comes with an older ticket makes a full handshake. */
const TICKET_KEY_AGE = 24 * 3600_000

/** Reads chain and key. Throws TlsRefused that names the file: missing, no PEM, key of another certificate. An expired one is no error: see `expires`. */
export function loadKeyPair(certFile: string, keyFile: string): KeyPair {
  const [cert, key] = [read(certFile, 'certificate'), read(keyFile, 'key')]
  const leaf = attempt(() => new X509Certificate(cert), `${certFile} holds no PEM certificate (a block that begins with -----BEGIN CERTIFICATE-----)`)
  const secret = attempt(() => createPrivateKey(key), `${keyFile} holds no PEM private key without a passphrase`)
  if (!leaf.checkPrivateKey(secret)) throw new TlsRefused(`The key in ${keyFile} is not that of the first certificate in ${certFile}.`)
  attempt(() => createSecureContext({ cert, key }), `The certificate in ${certFile} cannot be used`)
  return { cert, key, expires: Date.parse(leaf.validTo), names: leaf.subjectAltName ?? leaf.subject }
}

function read(file: string, what: string): string {
  return attempt(() => readFileSync(file, 'utf8'), `The ${what} file ${file} cannot be read`)
}

function attempt<T>(make: () => T, otherwise: string): T {
  try {
    return make()
  } catch (cause) {
    throw new TlsRefused(`${otherwise}: ${faultOf(cause)}.`, { cause })
  }
}

const RENEW_BEFORE = 30 * 86_400_000

/** Files of the certificate that Postern makes itself. */
export const selfSignedFiles = (dir: string) => ({ cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') })

/** The self-signed certificate of that folder; made when it is missing, is for another host or ends within 30 days (the key stays the same). */
export function selfSigned(dir: string, hostname: string, now = Date.now()): KeyPair {
  const files = selfSignedFiles(dir)
  const had = existing(files)
  if (had && had.expires - now > RENEW_BEFORE && new X509Certificate(had.cert).checkHost(hostname) !== undefined) return had
  const privateKey = had && createPrivateKey(had.key)
  const made = makeSelfSigned({ hostname, now, ...(privateKey && { key: { privateKey, publicKey: createPublicKey(privateKey) } }) })
  writeKeyPair(files, made)
  return loadKeyPair(files.cert, files.key)
}

/** The certificate is no secret and clients are pointed at it; the key is for this user alone. Each is whole or as it was. */
export function writeKeyPair(
  files: { readonly cert: string; readonly key: string },
  { cert, key }: { readonly cert: string; readonly key: string },
): void {
  mkdirSync(dirname(files.cert), { recursive: true, mode: 0o755 })
  replace(files.key, key, 0o600)
  replace(files.cert, cert, 0o644)
}

function existing({ cert, key }: { cert: string; key: string }): KeyPair | undefined {
  try {
    const had = loadKeyPair(cert, key)
    return createPrivateKey(had.key).asymmetricKeyType === 'ec' ? had : undefined
  } catch {
    return undefined
  }
}

function replace(file: string, text: string, mode: number): void {
  const next = join(dirname(file), `.${process.pid}.pem`)
  writeFileSync(next, text, { mode })
  renameSync(next, file)
}

export function createTls(first: KeyPair): Tls {
  let current = first
  const services = new Map<string, ServiceTls>()
  return {
    service(name) {
      let service = services.get(name)
      if (!service) services.set(name, (service = serviceTls(name, () => current)))
      return service
    },
    replace(pair) {
      current = pair
    },
    get current() {
      return current
    },
  }
}

function serviceTls(name: string, current: () => KeyPair): ServiceTls {
  let made: { pair: KeyPair; at: number; context: SecureContext } | undefined
  return {
    context() {
      const pair = current()
      const at = performance.now()
      if (made?.pair !== pair || at - made.at > TICKET_KEY_AGE) made = { pair, at, context: contextFor(name, pair) }
      return made.context
    },
  }
}

/** client: Microsoft's servers stop delivering to a port 25 that gives out session tickets. Other servers come back too seldom to miss them. */
const WITHOUT_TICKETS = new Set(['mx'])

const contextFor = (name: string, { cert, key }: KeyPair): SecureContext =>
  createSecureContext({
    ...{ cert, key, minVersion: 'TLSv1.2', ticketKeys: randomBytes(48), sessionIdContext: name },
    secureOptions: WITHOUT_TICKETS.has(name) ? constants.SSL_OP_NO_TICKET : 0,
  })
