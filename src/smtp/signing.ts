/** DKIM for what people here send: RFC 6376, RFC 8463. The signatures go on top of everything that they speak of. */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import type { Log } from '../log.ts'
import { RelaxedBody } from '../mail/dkim-body.ts'
import { headerFields } from '../mail/header.ts'
import type { Inspection } from './policies/policy.ts'

export interface DkimKey {
  /** d=, A-labels. */
  readonly domain: string
  readonly selector: string
  /** PEM, RSA or Ed25519. */
  readonly privateKey: string
}

/** The keys that sign for a domain now: none, or one of each kind. */
export type KeysFor = (domain: string) => Promise<readonly DkimKey[]>

/** What is signed wherever it stands. Not signed is what servers on the way add or change. */
const SIGNED = [
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'in-reply-to', 'references'],
  ...['mime-version', 'content-type', 'content-transfer-encoding', 'content-disposition', 'list-id', 'list-unsubscribe', 'list-unsubscribe-post'],
  // RFC 8460 §5.3, RFC 8689 §3.
  ...['tls-report-domain', 'tls-report-submitter', 'tls-required'],
]
/** What a reader is shown, or an answer goes by: signed once more than it is there, so that nobody can add another (RFC 6376 §8.15). */
const SEALED: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'content-type'])
const WIDTH = 76

/**
 * Signs the message that passes through it. `block`: its header block; `added`: lines of ours that are part of it. A signature that cannot be made is no reason to hold up
 * mail: it goes without, and the log says so.
 */
export function signing(keys: readonly DkimKey[], { block, added }: { readonly block: Buffer; readonly added: string }, log: Log): Inspection {
  const hash = createHash('sha256')
  const body = new RelaxedBody((octets) => hash.update(octets))
  let header = block.length
  return {
    write(chunk) {
      const skipped = Math.min(header, chunk.length)
      header -= skipped
      if (skipped < chunk.length) body.write(chunk.subarray(skipped))
    },
    async finish() {
      body.end()
      const signed = { names: [] as string[], lines: [] as string[], bodyHash: hash.digest('base64'), seconds: Math.floor(Date.now() / 1000) }
      gather(Buffer.concat([Buffer.from(added), block]), signed)
      const lines = keys.map((key) => {
        try {
          return signatureBy(key, signed)
        } catch (err) {
          log.error({ err, domain: key.domain, selector: key.selector }, 'a message could not be signed with this key')
          return ''
        }
      })
      return { lines: lines.join('') }
    },
    abort: () => undefined,
  }
}

interface Signed {
  /** h= */
  readonly names: string[]
  /** In relaxed form, in the order of h=, without line ends. */
  readonly lines: string[]
  readonly bodyHash: string
  readonly seconds: number
}

/** Of several fields of one name the last one is first (RFC 6376 §5.4.2). */
function gather(block: Buffer, { names, lines }: Signed): void {
  const byName = new Map<string, string[]>()
  for (const { name, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (!SIGNED.includes(name)) continue
    const line = relaxed(name, block.toString('latin1', value, to))
    byName.set(name, [line, ...(byName.get(name) ?? [])])
  }
  for (const name of SIGNED) {
    const found = byName.get(name) ?? []
    for (const line of found) {
      names.push(name)
      lines.push(line)
    }
    if (SEALED.has(name)) names.push(name)
  }
}

/** RFC 6376 §3.4.2. */
const relaxed = (name: string, value: string): string =>
  `${name}:${value
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`

function signatureBy({ domain, selector, privateKey }: DkimKey, { names, lines, bodyHash, seconds }: Signed): string {
  const key = createPrivateKey(privateKey)
  const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
  const tags = [
    `v=1`,
    `a=${algorithm}`,
    'c=relaxed/relaxed',
    `d=${domain}`,
    `s=${selector}`,
    `t=${seconds}`,
    `h=${names.join(':')}`,
    `bh=${bodyHash}`,
    'b=',
  ]
  const unsigned = fold(`DKIM-Signature: ${tags.join('; ')}`)
  const own = relaxed('dkim-signature', unsigned.slice(unsigned.indexOf(':') + 1))
  const signature = signOctets(key, Buffer.from([...lines, own].join('\r\n'), 'latin1'))
  return `${unsigned}${signature.toString('base64').replace(/.{1,72}/g, '\r\n\t$&')}\r\n`
}

/** Ed25519 signs the digest (RFC 8463 §3). */
const signOctets = (key: KeyObject, octets: Buffer): Buffer =>
  key.asymmetricKeyType === 'ed25519' ? sign(null, createHash('sha256').update(octets).digest(), key) : sign('sha256', octets, key)

/** Lines of bearable length; h= may be broken at its colons. */
function fold(line: string): string {
  let out = ''
  let width = 0
  for (const word of line.match(/[^ :]+[ :]?|[ :]/g) ?? []) {
    if (width > 0 && width + word.length > WIDTH) {
      out += '\r\n\t'
      width = 1
    }
    out += word
    width += word.length
  }
  return out.replace(/ \r\n/g, '\r\n')
}
