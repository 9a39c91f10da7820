/** A person types an address and a password into a real Thunderbird: it finds this server by its public web service, logs in, has mail and sends some. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hashPassword } from '../../../src/auth/password.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { Session } from '../../support/session.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { noThunderbird, Thunderbird } from '../pop3/thunderbird.ts'

const DOMAIN = 'example.test'
const HOST = `mail.${DOMAIN}`
const PASSWORD = 'correct horse battery'
const USERS = ['ann', 'bob'] as const

const dir = tempFolder('set-up')
const authority = makeAuthority()
let database: TestDatabase
let server: TestServer
let web: Server
let thunderbird: Thunderbird

/** HTTPS, to whatever host and port, goes to that port. */
async function lead(port: number): Promise<Server> {
  const it = createServer((_, response) => response.writeHead(404).end())
  it.on('connect', (_, client: Socket) => {
    const onward = connect(port, '127.0.0.1')
    for (const socket of [client, onward]) socket.on('error', () => {})
    onward.once('connect', () => client.write('HTTP/1.1 200 Connected\r\n\r\n'))
    client.pipe(onward).pipe(client)
  })
  it.listen(0, '127.0.0.1')
  await once(it, 'listening')
  return it
}

async function deliver(to: string, subject: string): Promise<void> {
  const session = await Session.open(server.port('mx'), false)
  await session.reply(undefined)
  for (const line of ['EHLO sender.test', 'MAIL FROM:<a@sender.test>', `RCPT TO:<${to}>`]) assert.match(await session.reply(line), /^250/)
  assert.match(await session.reply('DATA'), /^354/)
  assert.match(await session.reply(`From: a@sender.test\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\ntext\r\n.`), /^250/)
  session.destroy()
}

const IMPORTS = `
  const of = (name) => ChromeUtils.importESModule('resource:///modules/accountcreation/' + name + '.sys.mjs')
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const { FetchConfig } = of('FetchConfig')
  const { fetchConfigFromExchange } = of('ExchangeAutoDiscover')
  const signal = new AbortController().signal
  const find = { autoconfig: () => FetchConfig.fromISP(args.domain, args.address, signal),
    autodiscover: () => fetchConfigFromExchange(args.domain, args.address, signal, null, args.password, async () => {}) }
  const config = await find[args.by]()
  const incoming = [config.incoming, ...config.incomingAlternatives]
  const outgoing = [config.outgoing, ...config.outgoingAlternatives]`

/** As it is shown to be chosen from. */
const FIND = `${IMPORTS}
  const shown = ({ type, hostname, port, socketType, auth, username, leaveMessagesOnServer }) => [
    type, hostname, port,
    { [Ci.nsMsgSocketType.SSL]: 'SSL', [Ci.nsMsgSocketType.alwaysSTARTTLS]: 'STARTTLS' }[socketType],
    auth === Ci.nsMsgAuthMethod.passwordCleartext, username, ...(type === 'pop3' ? [leaveMessagesOnServer] : []),
  ].join(' ')
  return { from: config.subSource, incoming: incoming.map(shown), outgoing: outgoing.map(shown) }`

/** What "Continue" does: the login is tried, the account made. */
const SET_UP = `${IMPORTS}
  config.incoming = incoming.find(({ type }) => type === args.type)
  of('AccountConfig').AccountConfig.replaceVariables(config, 'Ann Example', args.address, args.password)
  config.rememberPassword = true
  const window = Services.wm.getMostRecentWindow('mail:3pane')
  const { ConfigVerifier } = of('ConfigVerifier')
  const verified = await new ConfigVerifier(window.msgWindow, signal).verifyConfig(config, false)
  const account = await of('CreateInBackend').CreateInBackend.createAccountInBackend(verified)
  return account.key`

/** Until there is as much as there is to be: an account that was just made looks for mail itself, and what one look brings another may wait for. */
const GET_MAIL = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const server = MailServices.accounts.getAccount(args.account).incomingServer
  const listener = (done) => ({ OnStartRunningUrl() {}, OnStopRunningUrl: done })
  const window = Services.wm.getMostRecentWindow('mail:3pane')
  const pause = () => new Promise((resolve) => window.setTimeout(resolve, 200))
  const look = (inbox) => new Promise((resolve) =>
    server.type === 'imap'
      ? inbox.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(window.msgWindow, listener(resolve))
      : MailServices.pop3.GetNewMail(window.msgWindow, listener(resolve), inbox, server))
  if (server.type === 'imap') server.performExpand(window.msgWindow)
  const subjects = (inbox) => [...inbox?.messages ?? []].map((header) => header.mime2DecodedSubject).sort()
  for (let i = 0; ; i++) {
    const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
    if (inbox) await look(inbox)
    if (subjects(inbox).length >= Number(args.wanted) || i === 100) return subjects(inbox)
    await pause()
  }`

const SEND = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const identity = MailServices.accounts.getAccount(args.account).defaultIdentity
  identity.doFcc = false
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields)
  fields.from = identity.email
  fields.to = args.to
  const file = Cc['@mozilla.org/file/local;1'].createInstance(Ci.nsIFile)
  file.initWithPath(args.file)
  const send = Cc['@mozilla.org/messengercompose/send;1'].createInstance(Ci.nsIMsgSend)
  return new Promise((resolve) => send.sendMessageFile(identity, args.account, fields, file, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, {
    QueryInterface: ChromeUtils.generateQI(['nsIMsgSendListener']),
    onStartSending() {}, onSendProgress() {}, onProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() {}, onTransportSecurityError() {},
    onStopSending: (id, status) => resolve(Components.isSuccessCode(status)),
  }, null, null))`

describe('Thunderbird', { skip: noThunderbird() }, () => {
  before(async () => {
    database = await testDatabase()
    const { cert, key } = authority.give({ names: [HOST, `autoconfig.${DOMAIN}`, `autodiscover.${DOMAIN}`] })
    const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
    mkdirSync(dir, { recursive: true })
    writeFileSync(certFile, cert)
    writeFileSync(keyFile, key, { mode: 0o600 })
    const hash = await hashPassword(PASSWORD)
    const mailboxes = USERS.map((user) => `{ address: ${user}@${DOMAIN}, password_hash: "${hash}" }`).join(', ')
    const config = `hostname: ${HOST}\ndomains: [${DOMAIN}]\ntls: { cert: ${certFile}, key: ${keyFile} }\nmailboxes: [${mailboxes}]\n`
    server = await startServer({ config, env: { DATABASE_URL: database.url } })
    web = await lead(server.port('https'))
    const { port } = web.address() as AddressInfo
    const by = {
      'network.proxy.type': 1,
      'network.proxy.ssl': '127.0.0.1',
      'network.proxy.ssl_port': port,
      'network.proxy.http': '127.0.0.1',
      'network.proxy.http_port': port,
    }
    thunderbird = await Thunderbird.start(join(dir, 'home'), [], { ...by, 'network.dns.localDomains': HOST })
    await thunderbird.trust(authority.cert)
  })
  after(async () => {
    await thunderbird?.[Symbol.asyncDispose]()
    web?.closeAllConnections()
    web?.close()
    await server?.close()
    await database?.close()
    removeFolder(dir)
  })

  const told = (user: string, by: 'autoconfig' | 'autodiscover') => ({ by, domain: DOMAIN, address: `${user}@${DOMAIN}`, password: PASSWORD })
  interface Found {
    readonly from: string
    readonly incoming: readonly string[]
    readonly outgoing: readonly string[]
  }

  test('is told the servers by Autoconfig', async () => {
    assert.deepEqual(await thunderbird.run<Found>(FIND, told('ann', 'autoconfig')), {
      from: 'xml-from-isp-https',
      incoming: [`imap ${HOST} ${server.port('imaps')} SSL true %EMAILADDRESS%`, `pop3 ${HOST} ${server.port('pop3s')} SSL true %EMAILADDRESS% true`],
      outgoing: [
        `smtp ${HOST} ${server.port('submissions')} SSL true %EMAILADDRESS%`,
        `smtp ${HOST} ${server.port('submission')} STARTTLS true %EMAILADDRESS%`,
      ],
    })
  })

  test('and by Autodiscover', async () => {
    const user = `ann@${DOMAIN}`
    assert.deepEqual(await thunderbird.run<Found>(FIND, told('ann', 'autodiscover')), {
      from: 'exchange-from-url1',
      incoming: [`imap ${HOST} ${server.port('imaps')} SSL true ${user}`, `pop3 ${HOST} ${server.port('pop3s')} SSL true ${user} true`],
      outgoing: [`smtp ${HOST} ${server.port('submissions')} SSL true ${user}`],
    })
  })

  for (const [type, user, by] of [
    ['imap', 'ann', 'autoconfig'],
    ['pop3', 'bob', 'autodiscover'],
  ] as const)
    test(`has mail by ${type}, and sends some, with what ${by} told it`, async () => {
      const address = `${user}@${DOMAIN}`
      await deliver(address, 'first')
      const account = await thunderbird.run<string>(SET_UP, { ...told(user, by), type })
      assert.deepEqual(await thunderbird.run(GET_MAIL, { account, wanted: '1' }), ['first'])
      const file = join(dir, `${user}.eml`)
      writeFileSync(
        file,
        `From: ${address}\r\nTo: ${address}\r\nSubject: sent\r\nMessage-ID: <${user}@thunderbird.test>\r\nDate: Mon, 30 Nov 2026 00:00:00 +0000\r\n\r\ntext\r\n`,
      )
      assert.equal(await thunderbird.run(SEND, { account, to: address, file }), true)
      assert.deepEqual(await thunderbird.run(GET_MAIL, { account, wanted: '2' }), ['first', 'sent'])
    })

  test('has none with a wrong password', async () => {
    await assert.rejects(thunderbird.run(SET_UP, { ...told('ann', 'autodiscover'), password: 'wrong', type: 'pop3' }), /Unable to log in/)
  })
})
