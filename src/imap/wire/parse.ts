/**
 * Arguments of a command as tokens. The tokenizer is imapflow's, which was made for what servers send; scan.ts stands before it and repairs what
 * that leaves open, and here the slots get their contents back. Tag and command name never reach it.
 */
import tokenize from 'imapflow/lib/handler/imap-parser.js'
import { Bad } from '../reply.ts'
import type { Node } from './node.ts'
import { type Scanned, SLOT, type Slot } from './scan.ts'

/** A tag and a command that mean nothing to the tokenizer: `OK`, `UID` and others would change how it reads. */
const NEUTRAL = 'A X '

type Token = NonNullable<Awaited<ReturnType<typeof tokenize>>['attributes']>[number]

/** Tokens with every octet as the client sent it. Throws Bad. */
export async function parseArguments({ text, slots }: Scanned): Promise<Node[]> {
  const filled: Node[] = []
  // An inner list's slot comes before the slot of the list around it.
  for (const slot of slots) filled.push(await fill(slot, filled))
  return await parseText(text.endsWith(' ') ? text.slice(0, -1) : text, filled)
}

async function fill(slot: Slot, before: readonly Node[]): Promise<Node> {
  switch (slot.kind) {
    case 'run':
      if (slot.section === undefined) return { kind: 'atom', text: slot.text }
      return { kind: 'atom', text: slot.text, section: slot.section === '' ? [] : [{ kind: 'atom', text: slot.section }] }
    case 'literal':
      return { kind: 'string', form: slot.form, octets: slot.octets }
    case 'list': {
      const [list] = await parseText(slot.text, before)
      if (!list) throw new Bad('Invalid list')
      return list
    }
  }
}

async function parseText(text: string, slots: readonly Node[]): Promise<Node[]> {
  if (text === '') return []
  let tokens: readonly Token[] | undefined
  try {
    tokens = (await tokenize(NEUTRAL + text)).attributes
  } catch {
    // The library's message repeats the input, so it goes nowhere. The scanner refused all that is known to be wrong with a text.
    throw new Bad('Invalid arguments')
  }
  return nodes(tokens ?? [], slots)
}

const nodes = (tokens: readonly Token[], slots: readonly Node[]): Node[] => tokens.map((token) => node(token, slots))

function node(token: Token, slots: readonly Node[]): Node {
  if (Array.isArray(token)) return { kind: 'list', items: nodes(token, slots) }
  const value = token?.value
  if (!token || typeof value !== 'string') throw new Bad('Invalid arguments')
  if (token.type === 'STRING') return { kind: 'string', form: 'quoted', octets: Buffer.from(value, 'latin1') }
  if (value.startsWith(SLOT)) {
    const slot = slots[Number(value.slice(SLOT.length))]
    if (!slot) throw new Bad('Invalid arguments')
    return slot
  }
  return {
    kind: 'atom',
    text: value,
    ...(token.section && { section: nodes(token.section, slots) }),
    ...(token.partial && { partial: token.partial }),
  }
}
