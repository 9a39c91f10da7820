/**
 * A message of which we signed or sealed what it no longer is: with signatures and a seal of ours that hold, by the keys of now. What others signed is broken for good, and
 * stays in place, as it would with any server that changes a message.
 */
import type { Log } from '../log.ts'
import { headerFields } from '../mail/header.ts'
import { maySeal, sealBy } from './sealing.ts'
import { type KeysFor, signatures } from './signing.ts'

export interface Changed {
  /** The header block as it would go, with our lines on top. */
  readonly head: Buffer
  /** Of the body as it goes: SHA-256 of its relaxed form, base64. */
  readonly bodyHash: string
}

/** The header block as it goes. Where there is no key any more, what was signed with one is left out. */
export async function resigned({ head, bodyHash }: Changed, keysFor: KeysFor, log: Log): Promise<Buffer> {
  const { domains, seal, block } = withoutOurs(head)
  let lines = ''
  for (const domain of domains) {
    const keys = await keysFor(domain)
    if (keys.length === 0)
      log.warn(
        { domain },
        'a message was changed for a server that takes no 8-bit, and goes without our signature: its domain has no published key now',
      )
    lines += signatures(keys, { block, bodyHash }, log)
  }
  const signed = Buffer.concat([Buffer.from(lines), block])
  if (!seal) return signed
  const key = (await keysFor(seal.domain)).find(maySeal)
  if (!key)
    log.warn(
      { domain: seal.domain },
      'a message was changed for a server that takes no 8-bit, and goes without our seal: its domain has no published key now',
    )
  const set = key && sealBy(key, { block: signed, bodyHash, arc: seal.arc, results: seal.results })
  return set === undefined ? signed : Buffer.concat([Buffer.from(set), signed])
}

interface Ours {
  /** Whose signatures we made, each once. */
  readonly domains: ReadonlySet<string>
  /** Of the newest set; `arc` as what it found of the chain before it. */
  readonly seal: { readonly domain: string; readonly arc: string; readonly results: string } | undefined
  /** Without either. */
  readonly block: Buffer
}

interface Field {
  readonly name: string
  readonly value: string
  readonly from: number
  readonly to: number
}

/** Ours is what stands above the first Received line: whatever comes here gets one of us on top. Unless all of it is ours. */
function withoutOurs(head: Buffer): Ours {
  const top: Field[] = []
  for (const { name, from, value, to } of headerFields(head, Number.POSITIVE_INFINITY)) {
    if (name === 'received') break
    if (OURS.has(name)) top.push({ name, from, to, value: head.toString('latin1', value, to) })
  }
  const instance = Math.max(0, ...top.filter(({ name }) => name === 'arc-seal').map((field) => Number(tag(field, 'i'))))
  const gone = top.filter((field) => field.name === 'dkim-signature' || Number(tag(field, 'i')) === instance)
  const named = (name: string): Field | undefined => gone.find((field) => field.name === name)
  const [seal, results] = [named('arc-seal'), named('arc-authentication-results')]
  const kept: Buffer[] = []
  let at = 0
  for (const { from, to } of gone) {
    kept.push(head.subarray(at, from))
    at = to
  }
  return {
    domains: new Set(gone.filter(({ name }) => name === 'dkim-signature').map((field) => tag(field, 'd'))),
    seal: seal && results && { domain: tag(seal, 'd'), arc: tag(seal, 'cv'), results: results.value.replace(/^[^;]*;\s*/, '').trimEnd() },
    block: Buffer.concat([...kept, head.subarray(at)]),
  }
}

const OURS: ReadonlySet<string> = new Set(['dkim-signature', 'arc-seal', 'arc-message-signature', 'arc-authentication-results'])

/** Of a field that we wrote: RFC 6376 §3.2. */
const tag = ({ value }: Field, name: string): string => new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*([^;\\s]*)`).exec(value)?.[1] ?? ''
