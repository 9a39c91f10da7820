/** What a TLS channel is called, so that a login can be bound to it. RFC 5056. */
import { createHash, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface Bindings {
  /** undefined: there is no such type here. */
  data(type: string): Buffer | undefined
}

const LABEL = 'EXPORTER-Channel-Binding'
const OCTETS = 32

/** Over TLS 1.3 only: before it, only the extended master secret made an exporter's octets unique (RFC 9266 §4.2), and nobody tells whether it was used. */
export function channelBindings(socket: Socket | TLSSocket): Bindings | undefined {
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') return undefined
  return {
    data(type) {
      switch (type) {
        case 'tls-exporter':
          return socket.exportKeyingMaterial(OCTETS, LABEL, Buffer.alloc(0))
        case 'tls-server-end-point':
          return endPoint(socket)
        default:
          return undefined
      }
    },
  }
}

/** RFC 5929 §4.1: the certificate's hash by the function that its signature uses, SHA-256 instead of MD5 and SHA-1. */
function endPoint(socket: TLSSocket): Buffer | undefined {
  const certificate = socket.getCertificate()
  if (!certificate || !('raw' in certificate) || !certificate.raw) return undefined
  const { signatureAlgorithm = '' } = new X509Certificate(certificate.raw)
  const hash = /sha(1|224|256|384|512)/i.exec(signatureAlgorithm)?.[1]
  if (hash === undefined && !/md5/i.test(signatureAlgorithm)) return undefined
  const name = hash === undefined || hash === '1' ? 'sha256' : `sha${hash}`
  return createHash(name).update(certificate.raw).digest()
}
