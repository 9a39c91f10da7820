/** IMAP URLs as CATENATE names messages and their parts by: relative to this server, or to the selected mailbox. RFC 5092 §5, RFC 4469 §3. */

export interface MessageUrl {
  /** As it was written, decoded; undefined for the selected one. */
  readonly mailbox: string | undefined
  readonly uidvalidity: number | undefined
  readonly uid: number
  /** What stands within the brackets of `BODY[…]`; '' for the whole message. */
  readonly section: string
  readonly partial: { readonly from: number; readonly count: number } | undefined
}

/** Of an absolute URL. */
export interface Authority {
  readonly user: string | undefined
  readonly host: string
}

export const MAX_URL = 4096
const MAX_NUMBER = 2 ** 32 - 1
/** What a URL may have, but for the brackets of an IPv6 address: a response code can repeat it. */
const URL_CHARACTERS = /^[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+$/
/** client: an address as the user's name may come with its own `@`. */
const ABSOLUTE = /^imap:\/\/(?:([^/]*)@)?([^/@]+)(\/.*)$/i
const PARTIAL = /^([0-9]{1,10})(?:\.([0-9]{1,10}))?$/

export const isUrlText = (text: string): boolean => text.length > 0 && text.length <= MAX_URL && URL_CHARACTERS.test(text)

/** undefined for anything that is no URL of a message. */
export function parseMessageUrl(url: string): (MessageUrl & { readonly authority: Authority | undefined }) | undefined {
  if (!isUrlText(url)) return undefined
  const absolute = ABSOLUTE.exec(url)
  const authority = absolute ? authorityOf(absolute[1], absolute[2]!) : undefined
  if (absolute ? !authority : /^[a-z]+:|^\/\//i.test(url)) return undefined
  const message = pathOf(absolute ? absolute[3]! : url)
  return message && { ...message, authority }
}

function authorityOf(userinfo: string | undefined, host: string): Authority | undefined {
  // `;AUTH=*` says how to log in: this session has.
  const user = decode(userinfo?.replace(/;auth=.*$/i, '') ?? '')
  return user === undefined ? undefined : { user: user || undefined, host: host.replace(/:143$|:993$/, '').toLowerCase() }
}

/** `/mailbox;UIDVALIDITY=n/;UID=n/;SECTION=x/;PARTIAL=a.b`. */
function pathOf(path: string): MessageUrl | undefined {
  const uidAt = /(?:^|\/);uid=/i.exec(path)
  if (!uidAt) return undefined
  const mailbox = mailboxOf(path.slice(0, uidAt.index))
  const values = valuesOf(path.slice(uidAt.index))
  const uid = numberOf(values?.get('uid'))
  const section = decode(values?.get('section') ?? '')
  const partial = values?.get('partial')
  const range = partial === undefined ? undefined : PARTIAL.exec(partial)
  if (!mailbox || !values || uid === undefined || section === undefined || (partial !== undefined && !range)) return undefined
  return {
    ...mailbox,
    uid,
    section,
    partial: range ? { from: Number(range[1]), count: range[2] === undefined ? Number.MAX_SAFE_INTEGER : Number(range[2]) } : undefined,
  }
}

function mailboxOf(text: string): Pick<MessageUrl, 'mailbox' | 'uidvalidity'> | undefined {
  const [encoded = '', parameter, ...more] = text.replace(/^\//, '').split(';')
  const name = decode(encoded)
  const validity = parameter === undefined ? undefined : /^uidvalidity=(.*)$/i.exec(parameter)?.[1]
  const uidvalidity = numberOf(validity)
  if (name === undefined || more.length > 0 || (parameter !== undefined && uidvalidity === undefined)) return undefined
  return { mailbox: name || undefined, uidvalidity }
}

/** `;UID=7/;SECTION=1.2`: each name once, in this order. */
function valuesOf(text: string): ReadonlyMap<string, string> | undefined {
  const values = new Map<string, string>()
  const order = ['uid', 'section', 'partial']
  for (const piece of text.replace(/^\//, '').split('/;')) {
    const [, name, value] = /^;?([a-z]+)=([^;]+)$/i.exec(piece) ?? []
    const at = order.indexOf(name?.toLowerCase() ?? '')
    if (at < 0 || value === undefined) return undefined
    values.set(order[at]!, value)
    order.splice(0, at + 1)
  }
  return values
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[1-9][0-9]{0,9}$/.test(text)) return undefined
  const n = Number(text)
  return n > MAX_NUMBER ? undefined : n
}

/** Percent-encoded UTF-8. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
