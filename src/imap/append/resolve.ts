/** Octets of other messages, as CATENATE names them by URL. RFC 4469 §3, RFC 5092. */

import { unpackParts } from '../../mail/parts.ts'
import { filterHeader, sectionRange } from '../../mail/section.ts'
import type { MailboxAccess } from '../../store/access.ts'
import { Refusal } from '../../store/errors.ts'
import type { MailboxIndex, Place } from '../../store/index.ts'
import type { ContentId } from '../../store/types.ts'
import { cut } from '../fetch/octets.ts'
import { readSection, type Section } from '../fetch/section.ts'
import { Bad, No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import { canonicalName } from '../wire/mutf7.ts'
import { parseArguments } from '../wire/parse.ts'
import { Scanner } from '../wire/scan.ts'
import type { Resolve } from './reader.ts'
import { isUrlText, type MessageUrl, parseMessageUrl } from './url.ts'

/** Octets of a header of which fields are picked. */
const MAX_HEADER = 256 * 1024

/** NO [BADURL …]: there is no such message, or it may not be read. The URL is repeated where a response code can hold it (RFC 4469 §4). */
const badUrl = (url: string): No => new No(isUrlText(url) ? ['BADURL', url] : undefined, 'The URL names nothing that can be read here')

export const resolverOf = (s: AuthenticatedSession): Resolve =>
  async function* resolve(url) {
    const named = parseMessageUrl(url)
    if (!named || !isHere(s, named)) throw badUrl(url)
    const section = await sectionOf(named.section)
    const message = section && (await findMessage(s, named))
    if (!message) throw badUrl(url)
    yield* octets(s, message, { section, named, url })
  }

function isHere(s: AuthenticatedSession, { authority }: NonNullable<ReturnType<typeof parseMessageUrl>>): boolean {
  if (!authority) return true
  return (
    authority.host === s.services.hostname.toLowerCase() &&
    (authority.user === undefined || authority.user.toLowerCase() === s.access.actor.toLowerCase())
  )
}

/** As FETCH would read `BODY[…]`. */
async function sectionOf(text: string): Promise<Section | undefined> {
  try {
    const scanner = new Scanner(2)
    if (scanner.line(`BODY[${text}]`)) return undefined
    const [node, ...more] = await parseArguments(scanner.end())
    if (node?.kind !== 'atom' || node.text !== 'BODY' || !node.section || node.partial || more.length > 0) return undefined
    return readSection(node.section)
  } catch (error) {
    if (error instanceof Bad) return undefined
    throw error
  }
}

interface Message {
  readonly access: MailboxAccess
  readonly content: ContentId
  readonly size: number
}

async function findMessage(s: AuthenticatedSession, named: MessageUrl): Promise<Message | undefined> {
  const { selected } = s
  const name = named.mailbox === undefined ? undefined : canonicalName(named.mailbox)
  if (selected && (name === undefined || name === selected.name)) {
    const msn = selected.view.msnOf(named.uid)
    return messageOf(selected, named, msn === undefined ? undefined : selected.view.placeAt(msn))
  }
  if (name === undefined) return undefined
  try {
    const access = await s.store.open(s.access, name, false, 'r')
    await using opened = await s.store.select(access, { changed() {}, gone() {} })
    return messageOf({ access, index: opened.index }, named, opened.index.find(named.uid))
  } catch (error) {
    // Whatever the reason: a URL tells nothing of what its reader may not see.
    if (error instanceof Refusal) return undefined
    throw error
  }
}

function messageOf(
  { access, index }: { access: MailboxAccess; index: MailboxIndex },
  named: MessageUrl,
  place: Place | undefined,
): Message | undefined {
  if (!place || (named.uidvalidity !== undefined && named.uidvalidity !== index.uidvalidity)) return undefined
  return { access, content: place.segment.contents[place.row] as ContentId, size: place.segment.sizes[place.row]! }
}

async function* octets(
  { store }: AuthenticatedSession,
  { access, content, size }: Message,
  { section, named: { partial }, url }: { section: Section; named: MessageUrl; url: string },
): AsyncGenerator<Buffer, void, undefined> {
  let range: { from: number; to: number } | undefined
  for await (const { parts } of store.contents(access, [content], ['parts'])) if (parts) range = rangeOf(section, parts, size)
  if (!range) throw badUrl(url)
  if (section.fields.length === 0) {
    const { from, to } = cut(range, partial)
    yield* store.read(access, content, from, to)
    return
  }
  const pieces: Buffer[] = []
  for await (const piece of store.read(access, content, range.from, Math.min(range.to, range.from + MAX_HEADER))) pieces.push(piece)
  const block = filterHeader(Buffer.concat(pieces), section.fields, section.text === 'HEADER.FIELDS.NOT')
  const { from, to } = cut({ from: 0, to: block.length }, partial)
  yield block.subarray(from, to)
}

function rangeOf({ path, text }: Section, parts: Buffer, size: number): { from: number; to: number } | undefined {
  if (path.length === 0 && text === '') return { from: 0, to: size }
  return sectionRange(unpackParts(parts), path, text === 'HEADER.FIELDS' || text === 'HEADER.FIELDS.NOT' ? 'HEADER' : text)
}
