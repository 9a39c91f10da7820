/** The ARC sets that a message has: RFC 8617 §4. What they are worth is told by who verifies them (smtp/inbound/). */
import { headerFields } from './header.ts'

/** RFC 8617 §4.2.1. */
export const MAX_ARC_INSTANCE = 50

/** In the order in which a seal covers them: RFC 8617 §5.1.1. */
export const ARC_FIELDS = ['arc-authentication-results', 'arc-message-signature', 'arc-seal'] as const
type ArcField = (typeof ARC_FIELDS)[number]

const isArcField = (name: string): name is ArcField => (ARC_FIELDS as readonly string[]).includes(name)

export interface ArcChain {
  /** The highest instance that is named; 0: none. */
  readonly highest: number
  /** A seal of that instance says that the chain had failed. */
  readonly saysFail: boolean
  /** All of its fields in the order in which a seal covers them, each octet a character. Of a chain that passed. */
  readonly fields: readonly string[]
}

/** Of a chain as it stands, whatever is wrong with it. */
export function arcChainOf(block: Buffer): ArcChain {
  const found: { readonly name: ArcField; readonly instance: number; readonly text: string }[] = []
  for (const { name, from, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (!isArcField(name)) continue
    const instance = instanceIn(block.toString('latin1', value, to))
    if (instance !== undefined) found.push({ name, instance, text: block.toString('latin1', from, to) })
  }
  const highest = found.reduce((most, { instance }) => Math.max(most, instance), 0)
  const place = (name: ArcField): number => ARC_FIELDS.indexOf(name)
  return {
    highest,
    saysFail: found.some(({ name, instance, text }) => name === 'arc-seal' && instance === highest && CV_FAIL.test(text)),
    fields: found.toSorted((a, b) => a.instance - b.instance || place(a.name) - place(b.name)).map(({ text }) => text),
  }
}

const CV_FAIL = /[;:]\s*cv\s*=\s*fail\s*(?:;|$)/i
/** The tag, first or after another; before results it can only be first. */
const INSTANCE = /(?:^|;)\s*(?:\([^()\\]*\)\s*)?i\s*=\s*(\d{1,2})\s*(?:\([^()\\]*\)\s*)?(?:;|$)/

function instanceIn(value: string): number | undefined {
  const number = Number(INSTANCE.exec(value)?.[1])
  return number >= 1 && number <= MAX_ARC_INSTANCE ? number : undefined
}
