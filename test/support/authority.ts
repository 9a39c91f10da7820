/** Certificates as an authority gives them, good and bad ones. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import forge from 'node-forge'

const DAY = 86_400_000

export interface Wish {
  readonly names: readonly string[]
  /** Days from now on. */
  readonly from?: number
  readonly to?: number
  /** May give certificates itself. */
  readonly authority?: boolean
}

export interface Given {
  readonly cert: string
  readonly key: string
  /** One that this one signed, with its chain behind it, but for the root. */
  give(wish: Wish): Given
}

/** A root of its own. */
export const makeAuthority = (name = 'Test Root'): Given => make({ names: [name], authority: true })

function make(
  { names, from = -1, to = 30, authority = false }: Wish,
  by?: { cert: forge.pki.Certificate; key: forge.pki.rsa.PrivateKey; chain: string },
): Given {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const cert = forge.pki.createCertificate()
  cert.publicKey = forge.pki.publicKeyFromPem(pair.publicKey.export({ type: 'spki', format: 'pem' }) as string)
  cert.serialNumber = `40${randomBytes(15).toString('hex')}`
  cert.validity.notBefore = new Date(Date.now() + from * DAY)
  cert.validity.notAfter = new Date(Date.now() + to * DAY)
  cert.setSubject([{ name: 'commonName', value: names[0] }])
  cert.setIssuer(by?.cert.subject.attributes ?? cert.subject.attributes)
  cert.setExtensions([
    { name: 'basicConstraints', cA: authority, critical: true },
    { name: 'subjectKeyIdentifier' },
    ...(authority ? [] : [{ name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }]),
  ])
  const own = forge.pki.privateKeyFromPem(key)
  cert.sign(by?.key ?? own, forge.md.sha256.create())
  const pem = forge.pki.certificateToPem(cert)
  const chain = by ? `${pem}${by.chain}` : ''
  return { cert: by ? chain : pem, key, give: (wish) => make(wish, { cert, key: own, chain }) }
}
