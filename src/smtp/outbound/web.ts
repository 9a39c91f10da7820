/** Requests to web servers that strangers name: from one address that was looked up before and no other, by TLS with a certificate for the name, wherever the server would send us. */
import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { isIPv6 } from 'node:net'
import type { PeerCertificate } from 'node:tls'

export const WEB_PORT = 443
const MAX_HEADER = 16_384

export interface WebRequest {
  /** A name, for which the certificate has to be. */
  readonly host: string
  readonly address: string
  readonly port?: number | undefined
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Posted; absent: it is a GET. */
  readonly body?: Buffer
  readonly signal: AbortSignal
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
}

/** The server is not proven to be who it has to be. */
export class WrongCertificate extends Error {}

/** Resolves when the answer begins. What goes wrong behind that its stream tells. Nothing is followed. */
export function askWeb({ host, address, port = WEB_PORT, path, headers, body, signal, ca }: WebRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: address, port, servername: host, path, method: body ? 'POST' : 'GET', agent: false, signal, family: isIPv6(address) ? 6 : 4 },
      headers: { host: port === WEB_PORT ? host : `${host}:${port}`, ...headers, ...(body && { 'content-length': String(body.length) }) },
      ...{
        maxHeaderSize: MAX_HEADER,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        checkServerIdentity: (_: string, peer: PeerCertificate) => mustName(host, peer),
      },
      ...(ca !== undefined && { ca }),
    })
    asked.on('error', (err: NodeJS.ErrnoException) => reject(isAboutCertificate(err) ? new WrongCertificate(err.message, { cause: err }) : err))
    asked.on('response', resolve)
    asked.end(body)
  })
}

/** OpenSSL's words for a chain that does not hold. */
const isAboutCertificate = ({ code = '' }: NodeJS.ErrnoException): boolean =>
  /CERT|UNABLE_TO_|_CA$|CRL|PATH_LENGTH|ALTNAME|HOSTNAME_MISMATCH/.test(code)

/** By a DNS name of the certificate; a common name is none (RFC 8461 §3.3). */
const mustName = (host: string, { raw }: PeerCertificate): Error | undefined =>
  new X509Certificate(raw).checkHost(host, { subject: 'never' }) === undefined
    ? new WrongCertificate(`the certificate is not for ${host}`)
    : undefined
