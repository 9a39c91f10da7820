/**
 * ENVELOPE and BODYSTRUCTURE of many messages, as they go on the wire, in a file to be read by people; and what an independent parser, Python's, says of the same
 * messages. UPDATE=1 writes the file: read the difference before you commit it. Octets that are no printable ASCII are shown as {xff}.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseStructure } from '../../src/mail/structure.ts'
import { goldenMails } from './mails.ts'

const GOLDEN = fileURLToPath(new URL('structures.txt', import.meta.url))
const mails = goldenMails()
const shown = (octets: Buffer): string => octets.toString('latin1').replace(/[^ -~]/g, (c) => `{x${c.charCodeAt(0).toString(16).padStart(2, '0')}}`)
const made = mails.map(({ name, bytes }) => ({ name, ...parseStructure(bytes) }))

const hasPython = mails.some(({ name }) => name.startsWith('msg_'))
const skip = hasPython ? false : 'the mails of Python’s test suite are not installed (Debian: libpython3.11-testsuite)'

test('as written down', { skip }, () => {
  const text = made
    .map(({ name, envelope, bodystructure }) => `# ${name}\nENVELOPE ${shown(envelope)}\nBODYSTRUCTURE ${shown(bodystructure)}\n`)
    .join('\n')
  if (process.env['UPDATE']) writeFileSync(GOLDEN, text)
  assert.ok(made.length >= 150)
  assert.equal(new Set(mails.map(({ name }) => name)).size, mails.length)
  assert.equal(text, readFileSync(GOLDEN, 'utf8'))
})

interface Seen {
  readonly types: readonly string[]
  readonly subject: string | null
  readonly id: string | null
}

/** Where we differ from Python on purpose. One that is no difference any more must go from here. */
const DELIBERATE: Readonly<Record<string, string>> = {
  'msg_15.txt': 'two multiparts have one boundary: its closing line ends the inner one only, so the picture behind it is a part of the outer one',
  'msg_17.txt': 'a multipart without a part: BODYSTRUCTURE has none such, so there is an empty text',
  'msg_25.txt': 'a multipart whose boundary is cut off is read as the text that it then is',
  'msg_31.txt': 'a multipart without a part, as in msg_17.txt',
  'msg_37.txt': 'a delimiter right behind another one begins a part, though an empty one',
  'msg_39.txt': 'one boundary for several multiparts, as in msg_15.txt',
  'msg_41.txt': 'a multipart without a boundary is read as the text that it then is',
  'msg_42.txt': 'a multipart without a part, as in msg_17.txt',
}

/** Types in the order of the parts, from the wire. */
function typesOf(wire: string): string[] {
  const values = tokens(wire)
  return typesIn(values[0] as Value[])
}

type Value = string | Value[]

function typesIn(body: Value[]): string[] {
  if (Array.isArray(body[0])) {
    const parts = body.filter(Array.isArray).slice(
      0,
      body.findIndex((value) => !Array.isArray(value)),
    ) as Value[][]
    return [`multipart/${body[parts.length]}`, ...parts.flatMap(typesIn)]
  }
  const type = `${body[0]}/${body[1]}`
  return type === 'message/rfc822' ? [type, ...typesIn(body[8] as Value[])] : [type]
}

/** Lists, strings and atoms; literals are text of so many octets. */
function tokens(wire: string): Value[] {
  const stack: Value[][] = [[]]
  for (let at = 0; at < wire.length; ) {
    const c = wire[at]!
    if (c === '(') stack.push([])
    else if (c === ')') {
      const list = stack.pop()!
      stack.at(-1)!.push(list)
    } else if (c === '"') {
      let text = ''
      for (at++; wire[at] !== '"'; at++) text += wire[at] === '\\' ? wire[++at] : wire[at]
      stack.at(-1)!.push(text)
    } else if (c === '{') {
      const end = wire.indexOf('}\r\n', at)
      const size = Number(wire.slice(at + 1, end))
      stack.at(-1)!.push(wire.slice(end + 3, end + 3 + size))
      at = end + 2 + size
    } else if (c !== ' ') {
      const atom = /^[^ ()]+/.exec(wire.slice(at))![0]
      stack.at(-1)!.push(atom)
      at += atom.length - 1
    }
    at++
  }
  return stack[0]!
}

test('as Python reads them', { skip }, () => {
  const input = JSON.stringify(Object.fromEntries(mails.map(({ name, bytes }) => [name, bytes.toString('base64')])))
  const python = JSON.parse(
    execFileSync('python3', [fileURLToPath(new URL('tree.py', import.meta.url))], { input, maxBuffer: 1 << 26 }).toString(),
  ) as Record<string, Seen>
  const differing = made.flatMap(({ name, envelope, bodystructure }) => {
    const [, subject, , , , , , , , id] = tokens(envelope.toString('latin1'))[0] as Value[]
    const ours = { types: typesOf(bodystructure.toString('latin1')), subject: textOf(subject), id: textOf(id) }
    const theirs = { ...python[name]!, types: python[name]!.types.map((type) => type.toLowerCase()) }
    return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ name, ours, theirs }]
  })
  const unexplained = differing.filter(({ name }) => !(name in DELIBERATE))
  assert.deepEqual(unexplained, [])
  const vanished = Object.keys(DELIBERATE).filter((name) => !differing.some((one) => one.name === name))
  assert.deepEqual(vanished, [], 'no difference any more')
})

const textOf = (value: Value | undefined): string | null =>
  typeof value === 'string' && value !== 'NIL' ? value.split(/\s+/).filter(Boolean).join(' ') : null
