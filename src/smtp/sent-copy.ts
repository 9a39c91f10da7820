/**
 * What the server keeps of a message for its sender: as the program wrote it, Bcc and all, with the Date and Message-ID that it did without, and none of the lines that tell how it
 * went. Where a program does not write whom it sends to in secret, the copy says it: it is the only one that may.
 */
import { canonical, formatAddrSpec, parseAddrSpec } from '../mail/address.ts'
import { mailboxesOf, parseAddressList } from '../mail/address-list.ts'
import { headerFields, unfold } from '../mail/header.ts'
import type { AccountAccess } from '../store/access.ts'
import { Refusal } from '../store/errors.ts'
import type { ContentStage, SentCopy as Filed, MailStore, StagedContent } from '../store/mailstore.ts'
import { Reply } from './reply.ts'

export type CopyStore = Pick<MailStore, 'stage' | 'prepareSent' | 'fileSent'>

export class SentCopy {
  readonly #store: CopyStore
  readonly #of: AccountAccess
  readonly #stage: ContentStage
  #content: StagedContent | undefined

  constructor(store: CopyStore, of: AccountAccess, maxSize: number) {
    this.#store = store
    this.#of = of
    this.#stage = store.stage(of, maxSize)
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#stage.write(chunk)
  }

  /** What can fail for want of room has failed after this: before anything is sent. Throws Reply. */
  async finish(top: string): Promise<void> {
    this.#content = await this.#stage.finish(Buffer.from(top))
    try {
      await this.#store.prepareSent(this.#of, this.#content.size)
    } catch (err) {
      if (!(err instanceof Refusal)) throw err
      throw new Reply(552, '5.2.2', 'There is no room for the copy of it in your mailbox for sent mail: delete something', { cause: err })
    }
  }

  file(attempt: string, held: Filed['held']): Promise<{ confirm(): void }> {
    if (!this.#content) throw new Error('file before finish')
    return this.#store.fileSent(this.#of, { content: this.#content, internalDate: Date.now(), ...(held && { held }) }, attempt)
  }

  /** Forget it; once it was filed that changes nothing. */
  abort(): void {
    this.#stage.discard()
  }
}

const NAMES: ReadonlySet<string> = new Set(['to', 'cc', 'resent-to', 'resent-cc'])
const BLIND: ReadonlySet<string> = new Set(['bcc', 'resent-bcc'])

/** `Bcc: …` with CRLF, of at most `room` octets: the recipients whom no field names; '' where there are none, or the program says itself whom it kept secret. */
export function blindCopyLine(block: Buffer, recipients: Iterable<string>, room: number): string {
  const named = new Set<string>()
  for (const { name, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (BLIND.has(name)) return ''
    if (!NAMES.has(name)) continue
    for (const { local, domain } of mailboxesOf(parseAddressList(Buffer.from(unfold(block, value, to), 'latin1').toString())))
      named.add(canonical(formatAddrSpec({ local, domain })) ?? '')
  }
  const blind = [...recipients].flatMap((recipient) => {
    const [address, spec] = [canonical(recipient), parseAddrSpec(recipient)]
    return spec && address !== undefined && !named.has(address) ? [formatAddrSpec(spec)] : []
  })
  const line = blind.length > 0 ? `Bcc: ${blind.join(',\r\n ')}\r\n` : ''
  return Buffer.byteLength(line) <= room ? line : ''
}
