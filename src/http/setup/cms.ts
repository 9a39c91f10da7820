/** SignedData of RFC 5652 around a configuration profile, with the certificate and key that this server shows for TLS: devices then say that it is verified, and by whom. */
import { createHash, createPrivateKey, type KeyObject, sign as signature, X509Certificate } from 'node:crypto'
import { context, type Der, elements, inOrder, integer, nothing, octets, oid, sequence, set, time } from '../../net/der.ts'

export interface Signer {
  /** PEM, the chain in order, this host's certificate first. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

const OID = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  rsaEncryption: '1.2.840.113549.1.1.1',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
} as const

/** The version of SignedData and of what names a certificate by its issuer: RFC 5652 §5.1, §5.3. */
const ONE = integer(Buffer.from([1]))

interface Algorithm {
  readonly hash: 'sha256' | 'sha384'
  /** AlgorithmIdentifier of the signature: RFC 5754 §3. */
  readonly identifier: Der
}

/** Of keys that Apple's systems check signatures of. */
function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm | undefined {
  if (asymmetricKeyType === 'rsa') return { hash: 'sha256', identifier: sequence(oid(OID.rsaEncryption), nothing) }
  if (asymmetricKeyType !== 'ec') return undefined
  if (asymmetricKeyDetails?.namedCurve === 'prime256v1') return { hash: 'sha256', identifier: sequence(oid(OID.ecdsaWithSha256)) }
  if (asymmetricKeyDetails?.namedCurve === 'secp384r1') return { hash: 'sha384', identifier: sequence(oid(OID.ecdsaWithSha384)) }
  return undefined
}

/** DER, the text within it. undefined: such a key signs no profile (Ed25519, other curves), or is not the certificate's. */
export function sign(text: string, { cert, key }: Signer, at: Date): Buffer | undefined {
  const chain = (cert.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => new X509Certificate(pem))
  const [leaf] = chain
  const privateKey = createPrivateKey(key)
  const algorithm = algorithmOf(privateKey)
  if (!leaf || !algorithm || !leaf.checkPrivateKey(privateKey)) return undefined
  const { hash, identifier } = algorithm
  const content = Buffer.from(text, 'utf8')
  const digestAlgorithm = sequence(oid(OID[hash]))
  const attributes = inOrder([
    sequence(oid(OID.contentType), set(oid(OID.data))),
    sequence(oid(OID.signingTime), set(time(at.getTime()))),
    sequence(oid(OID.messageDigest), set(octets(createHash(hash).update(content).digest()))),
  ])
  const signerInfo = sequence(
    ONE,
    sequence(...issuerAndSerial(leaf)),
    digestAlgorithm,
    context(0, attributes),
    identifier,
    // What is signed is the set as such, without the tag that stands in its place: RFC 5652 §5.4.
    octets(signature(hash, set(...attributes), privateKey)),
  )
  const signedData = sequence(
    ONE,
    set(digestAlgorithm),
    sequence(oid(OID.data), context(0, [octets(content)])),
    context(0, inOrder(chain.map(({ raw }) => raw))),
    set(signerInfo),
  )
  return sequence(oid(OID.signedData), context(0, [signedData]))
}

/** As they stand in the certificate: RFC 5280 §4.1, whose version [0] may be missing. */
function issuerAndSerial({ raw }: X509Certificate): [issuer: Der, serial: Der] {
  const [certificate] = elements(raw)
  const [body] = elements(certificate!.contents)
  const [first, ...fields] = elements(body!.contents)
  const [serial, , issuer] = first?.tag === 0xa0 ? fields : [first, ...fields]
  return [issuer!.whole, serial!.whole]
}
