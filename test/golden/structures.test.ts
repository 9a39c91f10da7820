/**
 * ENVELOPE and BODYSTRUCTURE of many messages, as they go on the wire, in a file to be read by people; and, field by field, what independent parsers say of
 * the same messages: Python's email, and mailsplit. UPDATE=1 writes the file: read the difference before you commit it.
 * Octets that are no printable ASCII are shown as {xff}.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseStructure } from '../../src/mail/structure.ts'
import type { CorpusMessage } from '../support/corpus.ts'
import { type Difference, FROM_MAILSPLIT, FROM_PYTHON } from './differences.ts'
import { madeUpMails } from './made-up.ts'
import { madeUpFields } from './made-up-fields.ts'
import { goldenMails } from './mails.ts'
import { asSplitterTells, splitterFields } from './splitter.ts'
import { type Fields, fieldsOf } from './wire.ts'

const GOLDEN = fileURLToPath(new URL('structures.txt', import.meta.url))
const REFERENCE = fileURLToPath(new URL('reference.py', import.meta.url))
const mails = goldenMails()
const shown = (octets: Buffer): string => octets.toString('latin1').replace(/[^ -~]/g, (c) => `{x${c.charCodeAt(0).toString(16).padStart(2, '0')}}`)
const made = mails.map(({ name, bytes }) => ({ name, bytes, structure: parseStructure(bytes) }))

const hasPython = mails.some(({ name }) => name.startsWith('msg_'))
const skip = hasPython ? false : 'the mails of Python’s test suite are not installed (Debian: libpython3.11-testsuite)'

test('as written down', { skip }, () => {
  const text = made
    .map(({ name, structure }) => `# ${name}\nENVELOPE ${shown(structure.envelope)}\nBODYSTRUCTURE ${shown(structure.bodystructure)}\n`)
    .join('\n')
  if (process.env['UPDATE']) writeFileSync(GOLDEN, text)
  assert.ok(made.length >= 240)
  assert.equal(new Set(mails.map(({ name }) => name)).size, mails.length)
  assert.equal(text, readFileSync(GOLDEN, 'utf8'))
})

const OF_MESSAGE = ['Date', 'Subject', 'From', 'Sender', 'Reply-To', 'To', 'Cc', 'Bcc', 'In-Reply-To', 'Message-ID']
const OF_PART = 'parts parameters disposition language location header body id description encoding md5 octets lines'.split(' ')

function python(messages: readonly CorpusMessage[]): Record<string, Fields> {
  const input = JSON.stringify(Object.fromEntries(messages.map(({ name, bytes }) => [name, bytes.toString('base64')])))
  return JSON.parse(execFileSync('python3', [REFERENCE], { input, maxBuffer: 1 << 28 }).toString()) as Record<string, Fields>
}

test('as Python reads them', { skip }, (t) => {
  const theirs = python(mails)
  const comparison = new Comparison(FROM_PYTHON)
  for (const { name, bytes, structure } of made) comparison.compare(name, fieldsOf(bytes, structure), theirs[name]!)
  comparison.end(9500, [...OF_MESSAGE, ...OF_PART])
  t.diagnostic(comparison.summary)
})

test('as Python reads what is made up at random', { skip }, (t) => {
  const seed = Number(process.env['SEED'] ?? 7)
  const messages = [...madeUpMails(seed, 1000), ...madeUpFields(seed, 1000)]
  const theirs = python(messages)
  const comparison = new Comparison([])
  for (const { name, bytes } of messages) comparison.compare(name, fieldsOf(bytes, parseStructure(bytes)), theirs[name]!)
  comparison.end(70_000)
  t.diagnostic(comparison.summary)
})

test('as mailsplit reads them', { skip }, async (t) => {
  const comparison = new Comparison(FROM_MAILSPLIT)
  for (const { name, bytes, structure } of made) comparison.compare(name, asSplitterTells(fieldsOf(bytes, structure)), await splitterFields(bytes))
  comparison.end(2300, ['parts', 'disposition', 'filename', 'encoding', 'octets'])
  t.diagnostic(comparison.summary)
})

class Comparison {
  readonly #expected: ReadonlySet<string>
  readonly #met = new Set<string>()
  readonly #new: object[] = []
  #fields = 0
  #messages = 0
  /** Fields that both sides filled in somewhere: a name that one of them misspells would be missing here. */
  readonly #filled = new Set<string>()

  constructor(differences: readonly Difference[]) {
    const all = differences.flatMap(({ at }) => Object.entries(at).flatMap(([mail, fields]) => fields.map((field) => `${mail} | ${field}`)))
    this.#expected = new Set(all)
    assert.equal(this.#expected.size, all.length, 'a difference stands there twice')
  }

  /** All that the other one says of the message, and of those parts that both see alike. */
  compare(mail: string, ours: Fields, theirs: Fields): void {
    this.#messages++
    const alike = new Set(ours.parts.filter((part) => theirs.parts.includes(part)).map((part) => part.split(' ', 1)[0]))
    for (const [field, value] of Object.entries(theirs)) {
      if (field !== 'parts' && !alike.has(field.split(' ', 1)[0])) continue
      this.#fields++
      const difference = `${mail} | ${field}`
      const [we, they] = [ours[field], value].map((one) => JSON.stringify(one ?? null))
      if (we === they && value !== null) this.#filled.add(field.slice(field.indexOf(' ') + 1))
      if (we === they) continue
      if (this.#expected.has(difference)) this.#met.add(difference)
      else this.#new.push({ mail, field, we, they })
    }
  }

  end(least: number, filled?: readonly string[]): void {
    assert.deepEqual(this.#new, [])
    assert.deepEqual(
      [...this.#expected].filter((difference) => !this.#met.has(difference)),
      [],
      'no difference any more',
    )
    if (filled) assert.deepEqual([...this.#filled].sort(), [...filled].sort())
    assert.ok(this.#fields >= least, `only ${this.#fields} fields were compared`)
  }

  get summary(): string {
    return `${this.#messages} messages, ${this.#fields} fields compared, ${this.#met.size} deliberate differences`
  }
}
