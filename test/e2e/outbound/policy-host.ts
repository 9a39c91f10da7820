/** The web server that has domains' MTA-STS policies, and says what it is told to. */
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface PolicyHost {
  readonly port: number
  /** Host header and path of each request. */
  readonly asked: string[]
  text: string
  /** Instead of the text. */
  answer: ((response: ServerResponse) => void) | undefined
  pem: { readonly cert: string; readonly key: string }
  close(): Promise<void>
}

export async function startPolicyHost(pem: PolicyHost['pem']): Promise<PolicyHost> {
  const server = createServer({ ...pem }, ({ headers, url }, response) => {
    host.asked.push(`${headers.host} ${url}`)
    if (host.answer) return host.answer(response)
    response.writeHead(200, { 'content-type': 'text/plain' }).end(host.text)
  })
  const host = {
    port: 0,
    asked: [] as string[],
    text: '',
    answer: undefined as PolicyHost['answer'],
    get pem() {
      return pem
    },
    set pem(other) {
      server.setSecureContext(other)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  host.port = (server.address() as AddressInfo).port
  return host
}

export const policyText = (mode: string, mx: readonly string[], maxAge = 604_800): string =>
  ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${maxAge}`, ''].join('\r\n')
