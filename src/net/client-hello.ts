/** What a TLS client says first (RFC 8446 §4.1.2), read before anything answers it: whom it asks for, and which protocols it offers. */

export interface ClientHello {
  /** The first host name of server_name (RFC 6066 §3), as it was sent. */
  readonly servername?: string
  /** RFC 7301 §3.1; none: the client offers no protocol. */
  readonly alpn: readonly string[]
}

/** A ClientHello that is longer is read by nobody but the TLS library itself. Those of browsers are below 2 KiB, with post-quantum keys. */
export const MAX_CLIENT_HELLO = 16 * 1024
/** Nobody cuts it into more records. */
const MAX_RECORDS = 16
const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RANDOM_AND_VERSION = 34
const SERVER_NAME = 0
const HOST_NAME = 0
const ALPN = 16

/** `incomplete`: more octets may make it one. `other`: it is none, or one that cannot be read. Takes nothing for granted, and never throws. */
export function readClientHello(octets: Buffer): ClientHello | 'incomplete' | 'other' {
  const message = messageIn(octets)
  if (typeof message === 'string') return message
  try {
    return helloOf(new Fields(message))
  } catch (err) {
    if (err instanceof Short) return 'other'
    throw err
  }
}

/** The body of the message, out of as many records as it takes (RFC 8446 §5.1). */
function messageIn(octets: Buffer): Buffer | 'incomplete' | 'other' {
  const pieces: Buffer[] = []
  let have = 0
  for (let at = 0; pieces.length < MAX_RECORDS; ) {
    if (at < octets.length && octets[at] !== HANDSHAKE) return 'other'
    if (octets.length - at < RECORD_HEADER) return 'incomplete'
    const length = octets.readUInt16BE(at + 3)
    if (length === 0) return 'other'
    const piece = octets.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
    pieces.push(piece)
    have += piece.length
    if (have >= MESSAGE_HEADER) {
      const message = pieces.length === 1 ? piece : Buffer.concat(pieces)
      const size = message.readUIntBE(1, 3)
      if (message[0] !== CLIENT_HELLO || size > MAX_CLIENT_HELLO) return 'other'
      if (have >= MESSAGE_HEADER + size) return message.subarray(MESSAGE_HEADER, MESSAGE_HEADER + size)
    }
    if (piece.length < length) return 'incomplete'
    at += RECORD_HEADER + length
  }
  return 'other'
}

function helloOf(hello: Fields): ClientHello {
  hello.take(RANDOM_AND_VERSION)
  hello.vector(1) // session id
  hello.vector(2) // cipher suites
  hello.vector(1) // compression methods
  let servername: string | undefined
  let alpn: string[] = []
  if (hello.left === 0) return { alpn }
  const extensions = hello.vector(2)
  while (extensions.left > 0) {
    const type = extensions.number(2)
    const data = extensions.vector(2)
    if (type === SERVER_NAME) servername ??= hostName(data)
    else if (type === ALPN) alpn = protocols(data)
  }
  return { ...(servername !== undefined && { servername }), alpn }
}

function hostName(data: Fields): string | undefined {
  const list = data.vector(2)
  while (list.left > 0) {
    const type = list.number(1)
    const name = list.vector(2)
    if (type === HOST_NAME) return name.text()
  }
  return undefined
}

function protocols(data: Fields): string[] {
  const list = data.vector(2)
  const found: string[] = []
  while (list.left > 0) found.push(list.vector(1).text())
  return found
}

/** A field says that it is longer than what holds it. */
class Short extends Error {}

class Fields {
  readonly #octets: Buffer
  #at = 0

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  get left(): number {
    return this.#octets.length - this.#at
  }

  take(length: number): Buffer {
    if (length > this.left) throw new Short()
    const taken = this.#octets.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }

  number(octets: 1 | 2): number {
    return this.take(octets).readUIntBE(0, octets)
  }

  /** What has its length, of so many octets, before it. */
  vector(lengthOctets: 1 | 2): Fields {
    return new Fields(this.take(this.number(lengthOctets)))
  }

  text(): string {
    return this.take(this.left).toString('latin1')
  }
}
