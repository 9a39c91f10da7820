/** One question and its answer on the wire: RFC 1035, EDNS(0) of RFC 6891, the AD bit of RFC 6840 §5.7. The packets themselves are dns-packet's. */
import { decode, encode, type Answer as RawAnswer } from 'dns-packet'
import { type Answer, DnsTrouble, NoSuchName, type RecordData, type RecordType } from './dns.ts'

const RECURSION_DESIRED = 1 << 8
const AUTHENTIC_DATA = 1 << 5
const RCODE = 0x0f
const NOERROR = 0
const NXDOMAIN = 3
const RCODES: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }
/** Octets of a datagram that no network is known to cut (DNS flag day 2020). */
export const UDP_PAYLOAD = 1232
const MAX_CNAMES = 10
const CNAME_ANY = 'CNAME'

export interface Question {
  readonly id: number
  readonly name: string
  readonly type: RecordType
}

/** Asks for the AD bit, which costs the resolver nothing that it would not do anyway. */
export const encodeQuestion = ({ id, name, type }: Question): Buffer =>
  encode({
    ...{ type: 'query', id, flags: RECURSION_DESIRED | AUTHENTIC_DATA },
    questions: [{ type, name, class: 'IN' }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: UDP_PAYLOAD, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }],
  })

export interface Decoded<T extends RecordType> {
  readonly answer: Answer<T>
  /** Seconds for which it may be kept. */
  readonly ttl: number
}

/** 'other': it answers another question, and is to be ignored. 'truncated': to be asked again by TCP. Throws NoSuchName, DnsTrouble. */
export function decodeAnswer<T extends RecordType>(
  packet: Buffer,
  { id, name, type }: Question,
  trusted: boolean,
): Decoded<T> | 'other' | 'truncated' {
  const message = parse(packet)
  const [question, ...more] = message?.questions ?? []
  if (message === undefined || message.type !== 'response' || message.id !== id || more.length > 0 || !question) return 'other'
  if (!sameName(question.name, name) || question.type !== type) return 'other'
  const flags = message.flags ?? 0
  if (message.flag_tc) return 'truncated'
  const secure = trusted && (flags & AUTHENTIC_DATA) !== 0
  const rcode = flags & RCODE
  if (rcode === NXDOMAIN) throw new NoSuchName(`there is no domain ${name}`, { secure })
  if (rcode !== NOERROR) throw new DnsTrouble(`the DNS cannot answer for ${name} (${RCODES[rcode] ?? rcode})`)
  return follow<T>(message.answers ?? [], { name, type, secure })
}

function parse(packet: Buffer): ReturnType<typeof decode> | undefined {
  try {
    return decode(packet)
  } catch {
    return undefined
  }
}

function follow<T extends RecordType>(answers: readonly RawAnswer[], asked: { name: string; type: RecordType; secure: boolean }): Decoded<T> {
  let { name } = asked
  let ttl = Number.POSITIVE_INFINITY
  const named = (type: string) => answers.filter((a) => a.type === type && sameName(a.name, name))
  for (let hops = 0; asked.type !== CNAME_ANY; hops++) {
    const [alias] = named(CNAME_ANY)
    if (!alias) break
    if (hops >= MAX_CNAMES) throw new DnsTrouble(`too many aliases at ${asked.name}`)
    ttl = Math.min(ttl, ttlOf(alias))
    name = plain((alias as { data: string }).data)
  }
  const records = named(asked.type)
  for (const record of records) ttl = Math.min(ttl, ttlOf(record))
  const data = records.map((record) => READ[asked.type]((record as { data: unknown }).data) as RecordData[T])
  return { answer: { records: data, secure: asked.secure, name }, ttl: Number.isFinite(ttl) ? ttl : 0 }
}

const ttlOf = (record: RawAnswer): number => ('ttl' in record && typeof record.ttl === 'number' ? Math.max(0, record.ttl) : 0)

/** Lower case, without the dot at the end. */
export const plain = (name: string): string => name.replace(/\.$/, '').toLowerCase()
const sameName = (a: string, b: string): boolean => plain(a) === plain(b)

type Raw = { readonly [key: string]: unknown }
const READ: { readonly [T in RecordType]: (data: unknown) => RecordData[T] } = {
  A: (data) => String(data),
  AAAA: (data) => String(data),
  PTR: (data) => plain(String(data)),
  CNAME: (data) => plain(String(data)),
  NS: (data) => plain(String(data)),
  MX: (data) => ({ preference: Number((data as Raw)['preference'] ?? 0), exchange: plain(String((data as Raw)['exchange'])) }),
  TXT: (data) => Buffer.concat([data].flat() as Buffer[]).toString('utf8'),
  TLSA: (data) => {
    const { usage, selector, matchingType, certificate } = data as Raw
    return {
      usage: Number(usage),
      selector: Number(selector),
      matchingType: Number(matchingType),
      certificate: Buffer.from(certificate as Uint8Array),
    }
  },
  SOA: (data) => ({ mname: plain(String((data as Raw)['mname'])), serial: Number((data as Raw)['serial'] ?? 0) }),
  SRV: (data) => {
    const { priority = 0, weight = 0, port, target } = data as Raw
    return { priority: Number(priority), weight: Number(weight), port: Number(port), target: plain(String(target)) }
  },
  CAA: (data) => ({ flags: Number((data as Raw)['flags'] ?? 0), tag: String((data as Raw)['tag']), value: String((data as Raw)['value']) }),
}
