/** DER (X.690), as much as is written and looked up here: what stands in it is put together of octets, and taken over as it stood. */

const TAG = { integer: 0x02, octetString: 0x04, null: 0x05, oid: 0x06, utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30, set: 0x31 } as const

/** Tag, length, contents. */
export function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.from(body.length.toString(16).padStart(8, '0'), 'hex')
  const from = length.findIndex((octet) => octet !== 0)
  return Buffer.concat([Buffer.from([tag, 0x80 | (length.length - from)]), length.subarray(from), body])
}

export const sequence = (...of: readonly Buffer[]): Buffer => der(TAG.sequence, ...of)
/** In the order that DER wants of a SET OF: X.690 §11.6. */
export const setOf = (...of: readonly Buffer[]): Buffer => der(TAG.set, ...of.toSorted(Buffer.compare))
/** Constructed, in the place of a tag that would stand there otherwise or around it. */
export const context = (tag: number, ...of: readonly Buffer[]): Buffer => der(0xa0 | tag, ...of)
export const octetString = (octets: Buffer): Buffer => der(TAG.octetString, octets)
export const nothing = der(TAG.null)
/** 0 to 127. */
export const smallInteger = (value: number): Buffer => der(TAG.integer, Buffer.from([value]))

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(TAG.oid, Buffer.from([40 * first + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const octets = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) octets.unshift(0x80 | (left & 0x7f))
  return octets
}

/** UTCTime until 2049, GeneralizedTime after: RFC 5280 §4.1.2.5, RFC 5652 §11.3. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  return at.getUTCFullYear() < 2050 ? der(TAG.utcTime, Buffer.from(text.slice(2))) : der(TAG.generalizedTime, Buffer.from(text))
}

export interface Element {
  readonly tag: number
  readonly contents: Buffer
  /** With tag and length. */
  readonly whole: Buffer
}

/** What lies within contents, one after the other. Throws where they are cut off. */
export function* elements(contents: Buffer): Generator<Element> {
  for (let at = 0; at < contents.length; ) {
    const first = contents.readUInt8(at + 1)
    const more = first < 0x80 ? 0 : first & 0x7f
    const start = at + 2 + more
    const end = start + (more === 0 ? first : contents.readUIntBE(at + 2, more))
    if (end > contents.length) throw new RangeError('DER is cut off')
    yield { tag: contents.readUInt8(at), contents: contents.subarray(start, end), whole: contents.subarray(at, end) }
    at = end
  }
}

/** The only one that lies there. */
export const inner = (contents: Buffer): Element => elements(contents).next().value as Element
