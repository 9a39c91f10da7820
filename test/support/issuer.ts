/** An issuer of access tokens on loopback, which may be well or not. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export type FakeIssuer = Awaited<ReturnType<typeof fakeIssuer>>

export async function fakeIssuer() {
  const keys = new Map<string, { readonly alg: string; readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }>()
  const addKey = async (kid: string, alg: string) => void keys.set(kid, { alg, ...(await generateKeyPair(alg)) })
  await addKey('one', 'ES256')
  const seen: string[] = []
  let last: { readonly authorization: string | undefined; readonly body: string } | undefined
  /** Instead of the right answer, by path. */
  const instead = new Map<string, unknown>()
  let status = 200
  let active: object = { active: false }

  const server = createServer((request, response) => {
    const path = request.url ?? ''
    seen.push(path)
    answer(request, path).then((body) => {
      response.writeHead(status, { 'content-type': 'application/json', ...(status === 302 && { location: `${issuer}/elsewhere` }) })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }, console.error)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, path: string): Promise<unknown> {
    if (instead.has(path)) return instead.get(path)
    if (path === '/.well-known/openid-configuration') return { issuer, jwks_uri: `${issuer}/keys`, introspection_endpoint: `${issuer}/introspect` }
    if (path === '/keys')
      return {
        keys: await Promise.all([...keys].map(async ([kid, { publicKey, alg }]) => ({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }))),
      }
    let body = ''
    for await (const chunk of request) body += String(chunk)
    last = { authorization: request.headers.authorization, body }
    return active
  }

  return {
    issuer,
    addKey,
    removeKey: (kid: string) => keys.delete(kid),
    instead,
    /** Paths that were asked for. */
    seen,
    get last() {
      return last
    },
    answers(with_: number) {
      status = with_
    },
    says(of: object) {
      active = of
    },
    /** A good token for that address, or one that is not good. */
    async token(email: string, more: JWTPayload = {}, { kid = 'one' }: { kid?: string } = {}): Promise<string> {
      const key = keys.get(kid)!
      const now = Math.floor(Date.now() / 1000)
      const claims = { iss: issuer, aud: 'postern', email, email_verified: true, scope: 'openid mail', iat: now, exp: now + 300, ...more }
      return await new SignJWT(claims).setProtectedHeader({ alg: key.alg, kid }).sign(key.privateKey)
    },
    close: () => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()),
  }
}
