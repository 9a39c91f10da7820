/** A real Thunderbird looks for the settings of an address, as its "Add mail account" does: by Autoconfig and by Autodiscover, over HTTPS. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { AUTOCONFIG_TYPE, autoconfig } from '../../src/http/setup/autoconfig.ts'
import { AUTODISCOVER_TYPE, autodiscover } from '../../src/http/setup/autodiscover.ts'
import type { Reach } from '../../src/http/setup/reach.ts'
import { noThunderbird, Thunderbird } from '../e2e/pop3/thunderbird.ts'
import { makeAuthority } from '../support/authority.ts'
import { reachOf } from '../support/reach.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const DOMAIN = 'example.test'
const reach: Reach = { ...reachOf(undefined, [DOMAIN]), hostname: `mail.${DOMAIN}` }
const authority = makeAuthority()
const dir = tempFolder('setup')
const asked: string[] = []
let server: Server
let proxy: ReturnType<typeof createHttp>
let thunderbird: Thunderbird

/** Serves what Postern would for its domain. */
async function serve(): Promise<Server> {
  const it = createServer(authority.give({ names: [`autoconfig.${DOMAIN}`, `autodiscover.${DOMAIN}`] }), async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', `https://${request.headers.host}`)
    asked.push(`${request.method} ${request.headers.host}${pathname}`)
    const body = await text(request)
    const answers: Record<string, [type: string, body: string | undefined]> = {
      '/mail/config-v1.1.xml': [AUTOCONFIG_TYPE, autoconfig(reach, DOMAIN, searchParams.get('emailaddress') ?? '')],
      '/autodiscover/autodiscover.xml': [AUTODISCOVER_TYPE, autodiscover(reach, body, new Date())],
    }
    const [type, answer] = answers[pathname] ?? []
    response.writeHead(answer === undefined ? 404 : 200, type === undefined ? {} : { 'Content-Type': type }).end(answer)
  })
  it.listen(0, '127.0.0.1')
  await once(it, 'listening')
  return it
}

/** Whatever host and port is asked for, it is that server. */
async function lead(to: Server): Promise<ReturnType<typeof createHttp>> {
  const it = createHttp((_, response) => response.writeHead(404).end())
  it.on('connect', (_, client: Socket) => {
    const onward = connect((to.address() as AddressInfo).port, '127.0.0.1')
    for (const socket of [client, onward]) socket.on('error', () => {})
    onward.once('connect', () => client.write('HTTP/1.1 200 Connected\r\n\r\n'))
    client.pipe(onward).pipe(client)
  })
  it.listen(0, '127.0.0.1')
  await once(it, 'listening')
  return it
}

describe('Thunderbird', { skip: noThunderbird() }, () => {
  before(async () => {
    server = await serve()
    proxy = await lead(server)
    const { port } = proxy.address() as AddressInfo
    const by = {
      'network.proxy.ssl': '127.0.0.1',
      'network.proxy.ssl_port': port,
      'network.proxy.http': '127.0.0.1',
      'network.proxy.http_port': port,
    }
    thunderbird = await Thunderbird.start(dir, [], { ...by, 'network.proxy.type': 1 })
    await thunderbird.trust(authority.cert)
  })
  after(async () => {
    await thunderbird?.[Symbol.asyncDispose]()
    for (const it of [proxy, server]) {
      it?.closeAllConnections()
      it?.close()
    }
    removeFolder(dir)
  })

  /** Its own names for sockets and ways to log in; what it would show first, then the others. */
  const FOUND = `
    const shown = ({ type, hostname, port, socketType, auth, username, leaveMessagesOnServer }) => [
      type, hostname, port,
      { [Ci.nsMsgSocketType.SSL]: 'SSL', [Ci.nsMsgSocketType.alwaysSTARTTLS]: 'STARTTLS' }[socketType],
      auth === Ci.nsMsgAuthMethod.passwordCleartext, username,
      ...(type === 'pop3' ? [leaveMessagesOnServer] : []),
    ].join(' ')
    return {
      from: config.subSource, name: config.displayName, domains: config.domains,
      incoming: [config.incoming, ...config.incomingAlternatives].map(shown),
      outgoing: [config.outgoing, ...config.outgoingAlternatives].map(shown),
    }`
  interface Found {
    readonly from: string
    readonly name: string
    readonly domains: readonly string[]
    readonly incoming: readonly string[]
    readonly outgoing: readonly string[]
  }

  test('by Autoconfig', async () => {
    const found = await thunderbird.run<Found>(
      `const { FetchConfig } = ChromeUtils.importESModule('resource:///modules/accountcreation/FetchConfig.sys.mjs')
       const config = await FetchConfig.fromISP(args.domain, args.address, new AbortController().signal)
       ${FOUND}`,
      { domain: DOMAIN, address: `ann@${DOMAIN}` },
    )
    const host = `mail.${DOMAIN}`
    assert.deepEqual(found, {
      from: 'xml-from-isp-https',
      name: DOMAIN,
      domains: [DOMAIN],
      incoming: [
        `imap ${host} 993 SSL true %EMAILADDRESS%`,
        `pop3 ${host} 995 SSL true %EMAILADDRESS% true`,
        `pop3 ${host} 110 STARTTLS true %EMAILADDRESS% true`,
      ],
      outgoing: [`smtp ${host} 465 SSL true %EMAILADDRESS%`, `smtp ${host} 587 STARTTLS true %EMAILADDRESS%`],
    })
    assert.ok(asked.includes(`GET autoconfig.${DOMAIN}/mail/config-v1.1.xml`))
  })

  test('by Autodiscover', async () => {
    const found = await thunderbird.run<Found>(
      `const { fetchConfigFromExchange } = ChromeUtils.importESModule('resource:///modules/accountcreation/ExchangeAutoDiscover.sys.mjs')
       const config = await fetchConfigFromExchange(args.domain, args.address, new AbortController().signal, null, 'secret', async () => {})
       ${FOUND}`,
      { domain: DOMAIN, address: `ann@${DOMAIN}` },
    )
    const [host, user] = [`mail.${DOMAIN}`, `ann@${DOMAIN}`]
    assert.deepEqual(found.incoming, [`imap ${host} 993 SSL true ${user}`, `pop3 ${host} 995 SSL true ${user} true`])
    assert.deepEqual(found.outgoing, [`smtp ${host} 465 SSL true ${user}`])
    assert.equal(found.from, 'exchange-from-url1')
  })
})
