/** The ENVELOPE of a message as IMAP sends it. RFC 9051 §7.5.2: encoded words stay encoded, fields are unfolded. */
import { countAddresses, type Group, MAX_ADDRESS_FIELDS, MAX_ADDRESSES, type Mailbox, parseAddressList } from './address-list.ts'
import type { FieldValues } from './header.ts'
import { type WireBudget, wireString } from './wire.ts'

/** The fields an ENVELOPE is made of, in its order. */
export const ENVELOPE_FIELDS = ['date', 'subject', 'from', 'sender', 'reply-to', 'to', 'cc', 'bcc', 'in-reply-to', 'message-id'] as const
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'])

/** `(date subject from …)`; Sender and Reply-To that say nothing repeat From. */
export function renderEnvelope(fields: FieldValues, budget: WireBudget): string {
  const room = { fields: MAX_ADDRESS_FIELDS, addresses: MAX_ADDRESSES }
  const out: string[] = []
  for (const name of ENVELOPE_FIELDS) {
    const values = fields.get(name)
    if (!ADDRESS_FIELDS.has(name)) out.push(budget.nstring(values?.[0]))
    else {
      const list = values ? addresses(values, room, budget) : 'NIL'
      const from = out[2]!
      const repeats = list === 'NIL' && (name === 'sender' || name === 'reply-to') && budget.takes(from.length)
      out.push(repeats ? from : list)
    }
  }
  return `(${out.join(' ')})`
}

/** Several fields of one name count as one list. */
function addresses(values: readonly string[], room: { fields: number; addresses: number }, budget: WireBudget): string {
  let out = ''
  for (const value of values) {
    if (room.fields-- <= 0 || room.addresses <= 0) break
    const list = parseAddressList(value, room.addresses)
    room.addresses -= countAddresses(list)
    for (const item of list) out += item.kind === 'group' ? group(item, budget) : mailbox(item, budget)
  }
  return out === '' ? 'NIL' : `(${out})`
}

/** A group's start has NIL as host, its end NIL as mailbox too. */
function group({ name, members }: Group, budget: WireBudget): string {
  if (!budget.takes(name.length)) return ''
  return `(NIL NIL ${wireString(name)} NIL)${members.map((m) => mailbox(m, budget)).join('')}(NIL NIL NIL NIL)`
}

/** A missing domain is "", for NIL would start a group. An address that no longer fits is left out whole. */
function mailbox({ name, route, local, domain }: Mailbox, budget: WireBudget): string {
  if (!budget.takes((name?.length ?? 0) + (route?.length ?? 0) + local.length + domain.length)) return ''
  return `(${optional(name)} ${optional(route)} ${wireString(local)} ${wireString(domain)})`
}

const optional = (text: string | undefined): string => (text === undefined ? 'NIL' : wireString(text))
