/** Who sent a message with a report, and whether that is proven: by what this server wrote on top of it when it came. RFC 7489 §7.2.1.1, RFC 8460 §3. */
import { canonicalDomain } from '../mail/address.ts'
import { firstField } from '../mail/header.ts'
import { looseFields } from '../mail/loose-fields.ts'
import type { Reporter } from '../store/reports.ts'

/** `header`: with our own lines on top. Domain '': nobody can tell. */
export function reporterOf(header: Buffer): Reporter {
  const results = ownResults(header)
  const dmarc = results.find(({ method }) => method === 'dmarc')
  const domain = domainIn(property(dmarc, 'header.from')) ?? claimed(header)
  if (dmarc?.result === 'pass' && domain !== '') return { domain, verified: true }
  // A domain without a DMARC record can still sign.
  const signed = results.some((one) => one.method === 'dkim' && one.result === 'pass' && isRelated(domainIn(property(one, 'header.d')), domain))
  return { domain, verified: dmarc?.result === 'none' && signed }
}

interface Result {
  readonly method: string
  readonly result: string
  readonly text: string
}

/** Those that stand above the first Received, which is ours too: nobody else can write there. As mail/auth-results.ts writes them. */
function ownResults(header: Buffer): Result[] {
  for (const { text } of looseFields(header)) {
    if (/^received\s*:/i.test(text)) return []
    if (/^authentication-results:/i.test(text)) return text.trimEnd().split(';\r\n\t').slice(1).map(resultIn)
  }
  return []
}

/** Without comments and quoted strings: others may have written these. */
function resultIn(written: string): Result {
  const text = written.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\([^()]*\)/g, '')
  const [, method = '', result = ''] = /^([a-z]+)=([a-z]+)/.exec(text) ?? []
  return { method, result, text }
}

const property = (result: Result | undefined, name: string): string | undefined =>
  result?.text
    .split(/\s+/)
    .find((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1)

const domainIn = (text: string | undefined): string | undefined => (text === undefined ? undefined : canonicalDomain(text))

const isRelated = (signer: string | undefined, from: string): boolean =>
  signer?.includes('.') === true && from.includes('.') && (signer === from || from.endsWith(`.${signer}`) || signer.endsWith(`.${from}`))

const claimed = (header: Buffer): string => domainIn(/@([A-Za-z0-9.-]+)[^@]*$/.exec((firstField(header, 'from') ?? '').slice(0, 1_000))?.[1]) ?? ''
