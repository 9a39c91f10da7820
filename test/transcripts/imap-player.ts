/** What IMAP brings to its dialogues. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { inBatches } from '../../src/store/batches.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { type ImapServer, PASSWORD, type ServeOptions } from '../support/imap.ts'
import type { WireClient } from '../support/wire-client.ts'
import { Player } from './play.ts'

export class ImapPlayer extends Player {
  #options: ServeOptions = {}

  protected serve(): Promise<ImapServer> {
    return this.house.serve(this.#options)
  }

  protected async logIn(client: WireClient, address: string): Promise<void> {
    await client.line()
    const [answer] = await client.command('login', `LOGIN ${address} "${PASSWORD}"`)
    assert.match(answer ?? '', /^login OK/)
  }

  /** {"limits": {"bad": 2}, "disable": ["IDLE"]} */
  protected setOptions(options: ServeOptions): void {
    this.#options = options
  }

  protected async eventOf(verb: string, rest: string): Promise<boolean> {
    switch (verb) {
      // @slow 1500: each content that the service reads takes so many milliseconds. Before the first session.
      case 'slow':
        this.#options = { ...this.#options, faulty: (store) => readSlowly(store, Number(rest)) }
        return true
      // @quota 4000: octets that the user may store from now on.
      case 'quota':
        await this.house.setQuota(this.user, Number(rest))
        return true
      // @compressed 1: from now on this session uses DEFLATE, both ways.
      case 'compressed':
        ;(await this.session(rest)).compress()
        return true
      default:
        return false
    }
  }
}

function readSlowly(store: MailStore, ms: number): MailStore {
  const contents: MailStore['contents'] = (...args) =>
    inBatches(async function* () {
      for await (const content of store.contents(...args)) {
        await sleep(ms)
        yield [content]
      }
    })
  return new Proxy(store, { get: (whole, verb) => (verb === 'contents' ? contents : Reflect.get(whole, verb)) })
}
