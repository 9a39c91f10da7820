/** What POP3 brings to its dialogues. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { generateAppPassword, hashAppPassword } from '../../src/auth/app-password.ts'
import { type Authenticator, createAuthenticator } from '../../src/auth/login.ts'
import { silentLog } from '../../src/log.ts'
import { canonical } from '../../src/mail/address.ts'
import { handshake } from '../../src/net/handshake.ts'
import { makeSelfSigned } from '../../src/net/self-signed.ts'
import { createTls } from '../../src/net/tls.ts'
import type { Pop3Limits } from '../../src/pop3/limits.ts'
import { pop3Service } from '../../src/pop3/server.ts'
import { Refusal, type RefusalReason, Unavailable } from '../../src/store/errors.ts'
import type { Pop3Settings } from '../../src/store/pop3-policy.ts'
import { type ImapServer, PASSWORD } from '../support/imap.ts'
import { type FakeIssuer, fakeIssuer } from '../support/issuer.ts'
import type { WireClient } from '../support/wire-client.ts'
import { base64, message, Player } from './play.ts'
import { expand } from './script.ts'

const tls = createTls({ ...makeSelfSigned({ hostname: 'localhost', now: Date.now() }), expires: 0, names: '' }).service('pop3')

export class Pop3Player extends Player {
  #limits: Partial<Pop3Limits> = {}
  #plain = false
  #longestDelay = 0
  /** Whose tokens are taken, where a dialogue has one. */
  #issuer: FakeIssuer | undefined
  #authenticator: Authenticator | undefined
  /** Verbs of the store, or `leases`, that fail, and how. */
  readonly #broken = new Map<string, Error>()

  protected serve(): Promise<ImapServer> {
    const { house } = this
    const service = pop3Service({
      store: this.#breakable(house.store),
      leases: this.#breakable(house.leases),
      authenticator: this.#authenticator ?? house.authenticator,
      presence: house.drivers.presence,
      throttle: house.drivers.throttle,
      // As if there were nobody but this dialogue's user.
      accounts: { longestLoginDelay: async () => this.#longestDelay },
      log: silentLog(),
      hostname: 'mail.example.test',
      service: this.#plain ? 'pop3' : 'pop3s',
      limits: this.#limits,
    })
    return house.host(service, this.#plain ? (socket: Socket): Promise<TLSSocket> => handshake(socket, { tls }) : undefined)
  }

  #breakable<T extends object>(whole: T): T {
    const get = (target: T, verb: string): unknown => {
      const err = this.#broken.get(verb)
      return err ? () => failing(err) : Reflect.get(target, verb)
    }
    return new Proxy(whole, { get: (target, verb) => get(target, String(verb)) })
  }

  async #takeTokens(): Promise<void> {
    const { accounts, drivers } = this.house
    this.#issuer = await fakeIssuer()
    const { issuer } = this.#issuer
    const rules = { issuer, audience: 'postern', addressClaim: 'email', unverified: false, scopes: ['mail'] }
    this.#authenticator = createAuthenticator({ accounts, throttle: drivers.throttle, canonical, log: silentLog(), issuer: rules })
    const user = `${this.user}@example.test`
    const token = await this.#issuer.token(user)
    for (const [prefix, good] of [
      ['', token],
      ['wrong', 'x.y.z'],
    ]) {
      this.words.set(`${prefix}bearer`, base64(`n,a=${user},\x01auth=Bearer ${good}\x01\x01`))
      this.words.set(`${prefix}xoauth2`, base64(`user=${user}\x01auth=Bearer ${good}\x01\x01`))
    }
  }

  override async close(): Promise<void> {
    await super.close()
    this.#authenticator?.close()
    await this.#issuer?.close()
  }

  #settings(text: string): Pop3Settings {
    const settings = JSON.parse(text) as Pop3Settings
    this.#longestDelay = Math.max(this.#longestDelay, settings.loginDelay ?? 0)
    return settings
  }

  protected async logIn(client: WireClient, address: string): Promise<void> {
    await client.line()
    client.send(`USER ${address}\r\nPASS ${PASSWORD}\r\n`)
    for (let i = 0; i < 2; i++) assert.match((await client.line()) ?? '', /^\+OK /)
  }

  /** {"limits": {"bad": 2}} */
  protected setOptions({ limits = {} }: { limits?: Partial<Pop3Limits> }): void {
    this.#limits = limits
  }

  protected async eventOf(verb: string, rest: string): Promise<boolean> {
    const [first = ''] = rest.split(' ')
    const more = rest.slice(first.length + 1)
    switch (verb) {
      // @plain: the service is the one that begins without TLS. Before the first session; its sessions are anonymous.
      case 'plain':
        this.#plain = true
        return true
      // @tls 1: this session does the handshake; $exporter is what its channel is called then.
      case 'tls':
        await (await this.session(rest)).startTls()
        return true
      // @bound 1: a SCRAM exchange that is bound to this session's TLS; see @scram.
      case 'bound':
        this.scram({ flag: 'p=tls-exporter', password: PASSWORD, data: (await this.session(rest)).exporter() })
        return true
      // @issuer: access tokens are taken; $bearer is OAUTHBEARER's message with a good one, $xoauth2 XOAUTH2's; $wrongbearer and $wrongxoauth2 have another. Before the first session.
      case 'issuer':
        await this.#takeTokens()
        return true
      // @policy {"afterDownload": "trash"}: how POP3 treats the user's mail from now on.
      case 'policy':
        await this.house.setPop3(this.user, this.#settings(rest))
        return true
      // @app phone {"loginDelay": 0}: an app password with a policy of its own; `$phone` from now on.
      case 'app': {
        const password = generateAppPassword()
        const pop3 = more ? this.#settings(more) : undefined
        await this.house.addAppPassword(this.user, { name: first, hash: hashAppPassword(password), scopes: ['pop3'], disable: [], pop3 })
        this.words.set(first, password)
        return true
      }
      // @mail INBOX text: one message, `{{x0a}}` and the like in it.
      case 'mail':
        await this.house.append(this.user, first, [{ text: Buffer.from(expand(`${more}{{-}}`), 'latin1') }])
        return true
      // @long INBOX 3 100: messages with that many lines.
      case 'long': {
        const [many = '', lines = ''] = more.split(' ')
        const texts = Array.from({ length: Number(many) }, (_, i) => ({ text: message(i + 1) + `line\r\n`.repeat(Number(lines)) }))
        await this.house.append(this.user, first, texts)
        return true
      }
      // @unavailable select: this verb of the store finds no database from now on.
      case 'unavailable':
        this.#broken.set(rest, new Unavailable('the database is away'))
        return true
      // @refuse expunge gone: this verb of the store refuses from now on, with that reason.
      case 'refuse':
        this.#broken.set(first, new Refusal(more as RefusalReason, `Refused for ${more}`))
        return true
      // @fault contents: this verb of the store has a fault.
      case 'fault':
        this.#broken.set(rest, new Error('a fault'))
        return true
      // @mended: all verbs do what they should.
      case 'mended':
        this.#broken.clear()
        return true
      default:
        return false
    }
  }
}

/** Whatever a verb gives, it fails: a promise, an iteration, and one in batches. */
function failing(err: Error): object {
  const failed = Promise.reject(err)
  failed.catch(() => undefined)
  const iteration = { next: () => failed, return: async () => ({ done: true, value: undefined }) }
  return Object.assign(failed, { [Symbol.asyncIterator]: () => iteration, batches: () => iteration })
}
