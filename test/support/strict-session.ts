/** An IMAP session whose responses are all read by the strict parser, in each way in which a server may write them. */
import assert from 'node:assert/strict'
import { decodeMutf7, encodeMutf7 } from '../../src/imap/wire/mutf7.ts'
import { PASSWORD } from './imap.ts'
import { type Response, StrictReader, type Value } from './imap-response.ts'
import { WireClient } from './wire-client.ts'

export interface Mode {
  readonly name: string
  readonly enable: readonly string[]
  readonly utf8?: boolean
  readonly rev2?: boolean
  readonly compressed?: boolean
}

export const MODES: readonly Mode[] = [
  { name: 'IMAP4rev1, modified UTF-7', enable: [] },
  { name: 'IMAP4rev1, UTF-8', enable: ['UTF8=ACCEPT'], utf8: true },
  { name: 'IMAP4rev2', enable: ['IMAP4rev2'], utf8: true, rev2: true },
  { name: 'IMAP4rev2, UTF8=ACCEPT', enable: ['IMAP4rev2', 'UTF8=ACCEPT'], utf8: true, rev2: true },
]

export class StrictSession {
  readonly client: WireClient
  readonly #reader: StrictReader
  readonly #mode: Mode
  #commands = 0

  private constructor(client: WireClient, mode: Mode) {
    this.client = client
    this.#mode = mode
    this.#reader = new StrictReader({ utf8: mode.utf8 ?? false })
  }

  static async login(port: number, { user = 'ann@example.test', mode = MODES[0]! }: { user?: string; mode?: Mode } = {}): Promise<StrictSession> {
    const client = await WireClient.connect(port)
    await client.line()
    const session = new StrictSession(client, mode)
    const name = Buffer.from(user)
    await session.ask(Buffer.concat([Buffer.from(`LOGIN {${name.length}+}\r\n`), name, Buffer.from(` "${PASSWORD}"`)]))
    for (const word of mode.enable) await session.ask(`ENABLE ${word}`)
    if (mode.compressed) {
      await session.ask('COMPRESS DEFLATE')
      client.compress()
    }
    return session
  }

  /** The untagged responses of a command that is answered OK; text has a character for each octet. */
  async ask(command: string | Buffer, tag = `t${++this.#commands}`): Promise<Response[]> {
    const octets = typeof command === 'string' ? Buffer.from(command, 'latin1') : command
    this.client.send(Buffer.concat([Buffer.from(`${tag} `), octets, Buffer.from('\r\n')]))
    const all = await this.#reader.until(this.client, tag)
    const { values, code, text } = all.at(-1)!
    assert.equal(values[0], 'OK', `${octets.toString('latin1', 0, 100)}: ${code} ${text}`)
    return all.slice(0, -1)
  }

  /** What comes without being asked for. */
  async next(): Promise<Response> {
    return (await this.#reader.next(this.client)) ?? assert.fail('the connection ended')
  }

  /** A mailbox name as an argument: a literal, which holds anything. */
  name(name: string): string {
    const wire = this.#mode.utf8 ? Buffer.from(name).toString('latin1') : encodeMutf7(name)
    return `{${wire.length}+}\r\n${wire}`
  }

  /** The name that stands in a response. */
  named(value: Value | undefined): string {
    return this.#mode.utf8 ? String(value) : (decodeMutf7(String(value)) ?? assert.fail(`no name: ${value}`))
  }

  destroy(): void {
    this.client.destroy()
  }
}
