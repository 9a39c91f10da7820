import assert from 'node:assert/strict'
import test from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { MessageStream } from './message-stream.ts'
import type { Reply } from './reply.ts'
import { MAX_TEXT_LINE } from './text.ts'
import { MAX_AUTH_LINE, MAX_COMMAND, WireParser } from './wire.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Outcome {
  readonly commands: string[]
  readonly texts: string[]
  readonly faults: string[]
  refused: string | undefined
}

/** Runs chunks through a parser that goes into DATA whenever the line is `DATA`, and takes the octets of `BDAT`. */
async function run(input: readonly Buffer[], { max = 1_000, challenged = false, reads = true } = {}): Promise<Outcome> {
  const outcome: Outcome = { commands: [], texts: [], faults: [], refused: undefined }
  const pending: Promise<void>[] = []
  let chunks: MessageStream | undefined
  const parser = new WireParser({
    command(line, done) {
      outcome.commands.push(line.toString('latin1'))
      const [verb, size, last] = line.toString('latin1').split(' ')
      if (verb === 'BDAT') {
        if (chunks === undefined) {
          chunks = new MessageStream()
          parser.startChunks(max)
          pending.push(collect(parser, chunks, outcome, reads))
        }
        parser.startChunk(chunks, { size: Number(size), last: last !== undefined }, () => parser.continue())
        if (last !== undefined) chunks = undefined
      }
      if (line.toString() === 'DATA') pending.push(collect(parser, parser.startDataMode(max), outcome, reads))
      done()
    },
    refused(reply: Reply) {
      outcome.refused = reply.line
    },
    answersChallenge: () => challenged,
  })
  for (const chunk of input) {
    parser.write(Buffer.from(chunk))
    await turn()
  }
  for (let left = 20; left > 0 && parser.writableLength > 0; left--) await turn()
  parser.abandon()
  for (const text of pending) await text
  return outcome
}

async function collect(parser: WireParser, stream: MessageStream, { texts, faults }: Outcome, reads: boolean): Promise<void> {
  const pieces: Buffer[] = []
  try {
    if (!reads) {
      stream.destroy()
      await stream.drained
    } else for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(Buffer.from(piece))
    if (reads) texts.push(Buffer.concat(pieces).toString('latin1'))
  } catch {
    await stream.drained
  }
  if (stream.fault) faults.push(`${stream.fault.line.slice(0, 10)}${stream.closes ? ' closes' : ''}`)
  if (stream.closes) parser.isClosed = true
  parser.continue()
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Every way to cut it in two, in single octets, and whole. */
function* cuts(text: string): Generator<Buffer[]> {
  const whole = bytes(text)
  yield [whole]
  for (let i = 1; i < whole.length; i++) yield [whole.subarray(0, i), whole.subarray(i)]
  yield Array.from(whole, (byte) => Buffer.from([byte]))
}

const DOTS = [
  ['one line', 'DATA\r\nhi\r\n.\r\n', 'hi\r\n'],
  ['empty', 'DATA\r\n.\r\n', ''],
  ['one blank line', 'DATA\r\n\r\n.\r\n', '\r\n'],
  ['a stuffed dot first', 'DATA\r\n..\r\n.\r\n', '.\r\n'],
  ['a stuffed dot alone', 'DATA\r\na\r\n..\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  ['stuffed dots', 'DATA\r\n...\r\n..a\r\n.\r\n', '..\r\n.a\r\n'],
  ['a dot that was not stuffed', 'DATA\r\n.a\r\n.\r\n', 'a\r\n'],
  ['dots within lines', 'DATA\r\na.b\r\nc.\r\n.\r\n', 'a.b\r\nc.\r\n'],
  ['NUL before the dot', 'DATA\r\na\r\n\0.\r\n.\r\n', 'a\r\n\0.\r\n'],
  ['8 bit', 'DATA\r\n\xff\xfe\x80\r\n.\r\n', '\xff\xfe\x80\r\n'],
] as const

for (const [name, input, text] of DOTS) {
  test(`DATA, ${name}, cut everywhere`, async () => {
    for (const chunks of cuts(`${input}NOOP\r\n`))
      assert.deepEqual(await run(chunks), { commands: ['DATA', 'NOOP'], texts: [text], faults: [], refused: undefined })
  })
}

const BARE = ['\n.\n', '\r.\r', '\n.\r\n', '\r\n.\n', '\r\n.\r', 'x\ny', 'x\ry', '\r\r\n', '\n', '\r\n.\r\r\n', '\r\n.\n\r\n']
for (const bare of BARE) {
  test(`DATA with ${JSON.stringify(bare)} never ends there, cut everywhere`, async () => {
    const input = `DATA\r\nfirst${bare}NOOP\r\nMAIL FROM:<a@b>\r\n.\r\nNOOP\r\n`
    for (const chunks of cuts(input))
      assert.deepEqual(await run(chunks), { commands: ['DATA'], texts: [], faults: ['550 5.6.11 closes'], refused: undefined })
  })
}

test('two messages in one chunk', async () => {
  const { commands, texts } = await run([bytes('DATA\r\na\r\n.\r\nRSET\r\nDATA\r\nb\r\n.\r\nQUIT\r\n')])
  assert.deepEqual({ commands, texts }, { commands: ['DATA', 'RSET', 'DATA', 'QUIT'], texts: ['a\r\n', 'b\r\n'] })
})

test('beyond SIZE nothing is kept, the rest is read, and the session goes on', async () => {
  const { commands, texts, faults } = await run([bytes(`DATA\r\n${'a'.repeat(1_500)}\r\n.\r\nNOOP\r\n`)])
  assert.deepEqual({ commands, texts, faults }, { commands: ['DATA', 'NOOP'], texts: [], faults: ['552 5.3.4 '] })
})

test('exactly SIZE is taken', async () => {
  const { texts, faults } = await run([bytes(`DATA\r\n${'a'.repeat(998)}\r\n.\r\n`)])
  assert.deepEqual([texts[0]?.length, faults], [1_000, []])
})

test('beyond twice SIZE it is over', async () => {
  const { commands, faults } = await run([bytes('DATA\r\n'), bytes('a'.repeat(1_500)), bytes('a'.repeat(1_500)), bytes('\r\n.\r\nNOOP\r\n')])
  assert.deepEqual({ commands, faults }, { commands: ['DATA'], faults: ['552 5.3.4  closes'] })
})

test('a message that nobody reads is read to its end all the same', async () => {
  const { commands } = await run([bytes('DATA\r\nabc\r\n..\r\n.\r\nNOOP\r\n')], { reads: false })
  assert.deepEqual(commands, ['DATA', 'NOOP'])
})

test('a line of text up to its bound, and beyond', async () => {
  const fits = 'a'.repeat(MAX_TEXT_LINE)
  assert.deepEqual((await run([bytes(`DATA\r\n${fits}\r\n.\r\n`)], { max: 1e6 })).texts, [`${fits}\r\n`])
  assert.deepEqual((await run([bytes(`DATA\r\n.${fits}\r\n.\r\n`)], { max: 1e6 })).texts, [`${fits}\r\n`])
  const { texts, faults, commands } = await run([bytes(`DATA\r\n${fits}`), bytes('a\r\nb\r\n.\r\nNOOP\r\n')], { max: 1e6 })
  assert.deepEqual({ texts, faults, commands }, { texts: [], faults: ['500 5.6.0 '], commands: ['DATA', 'NOOP'] })
})

test('a line of text without an end is not read for ever', async () => {
  const piece = bytes('a'.repeat(64 * 1024))
  const { faults, commands } = await run([bytes('DATA\r\n'), ...Array<Buffer>(40).fill(piece), bytes('\r\n.\r\nNOOP\r\n')], { max: 1e9 })
  assert.deepEqual({ faults, commands }, { faults: ['500 5.6.0  closes'], commands: ['DATA'] })
})

test('command lines end with CRLF and nothing else', async () => {
  for (const line of ['NOOP\n', 'NO\rOP\r\n', 'NOOP\r\r\n', 'NOOP\n\r\n']) {
    for (const chunks of cuts(`${line}RSET\r\n`)) {
      const { commands, refused } = await run(chunks)
      assert.deepEqual([commands, refused?.slice(0, 9)], [[], '500 5.5.2'], JSON.stringify(line))
    }
  }
})

test('command lines up to their bound, cut in two', async () => {
  for (const [line, fits] of [
    ['N'.repeat(MAX_COMMAND), true],
    ['N'.repeat(MAX_COMMAND + 1), false],
    [`auth ${'A'.repeat(MAX_AUTH_LINE - 5)}`, true],
    [`AUTH ${'A'.repeat(MAX_AUTH_LINE - 4)}`, false],
    [`AUTHX${'A'.repeat(MAX_COMMAND)}`, false],
  ] as const) {
    for (const cut of [0, 2, 5, 1_000, line.length]) {
      const chunks = [line.slice(0, cut), `${line.slice(cut)}\r\nNOOP\r\n`].filter((s) => s !== '').map(bytes)
      const { commands, refused } = await run(chunks)
      assert.deepEqual([commands.length, refused !== undefined], fits ? [2, false] : [0, true], `${line.slice(0, 6)} ${line.length} cut at ${cut}`)
    }
  }
  const answer = 'A'.repeat(MAX_AUTH_LINE)
  assert.deepEqual((await run([bytes(`${answer}\r\n`)], { challenged: true })).commands, [answer])
})

test('a line without an end is refused at its bound, not kept', async () => {
  const { refused } = await run(Array<Buffer>(3).fill(bytes('A'.repeat(1_000))))
  assert.equal(refused, '500 5.5.2 Line too long')
})

test('what waits behind a line is known', async () => {
  const seen: number[] = []
  const parser = new WireParser({
    command(_line, done) {
      seen.push(parser.waiting)
      done()
    },
    refused() {},
    answersChallenge: () => false,
  })
  parser.write(bytes('STARTTLS\r\n'))
  parser.write(bytes('STARTTLS\r\nNOOP '))
  parser.write(bytes('\r\nSTARTTLS\r\nX\r\n'))
  await turn()
  assert.deepEqual(seen.slice(0, 4), [0, 5, 13, 3])
})

test('pipelined commands in masses are all run', async () => {
  const { commands } = await run([bytes('NOOP\r\n'.repeat(500)), bytes('NOOP\r\n'.repeat(10))])
  assert.equal(commands.length, 510)
})

test('BDAT: whatever the octets are and however they are cut, they come as they went, and nothing of them is a command', async () => {
  const random = seeded(7)
  for (let round = 0; round < 60; round++) {
    const text = Array.from({ length: 1 + random(30) }, () => ['a', '.', '\r\n', '\r\n.\r\n', 'QUIT\r\n', '\0', 'BDAT 3\r\n'][random(7)]).join('')
    let wire = ''
    for (let at = 0; at < text.length; ) {
      const size = random(9)
      const piece = text.slice(at, at + size)
      at += size
      wire += `BDAT ${piece.length}${at >= text.length ? ' LAST' : ''}\r\n${piece}`
    }
    const cut = random(wire.length)
    const single = Array.from(wire, (c) => bytes(c))
    for (const input of [[bytes(wire)], [bytes(wire.slice(0, cut)), bytes(wire.slice(cut))], single]) {
      const { commands, texts, faults } = await run([...input, bytes('NOOP\r\n')])
      assert.deepEqual(faults, [], JSON.stringify(text))
      assert.deepEqual(texts, [text.endsWith('\r\n') ? text : `${text}\r\n`])
      assert.ok(commands.slice(0, -1).every((line) => line.startsWith('BDAT ')))
      assert.equal(commands.at(-1), 'NOOP')
    }
  }
})

test('BDAT: a bare CR or LF, a line without end, too much', async () => {
  for (const [text, fault] of [
    ['a\nb', '550 5.6.11'],
    ['a\rb', '550 5.6.11'],
    ['a\r', '550 5.6.11'],
    ['\n', '550 5.6.11'],
    ['x'.repeat(MAX_TEXT_LINE + 1), '500 5.6.0 '],
    ['x'.repeat(MAX_TEXT_LINE - 1), undefined],
    ['x'.repeat(100_001), '552 5.3.4 '],
  ] as const) {
    const half = text.length >> 1
    const wire = `BDAT ${half}\r\n${text.slice(0, half)}BDAT ${text.length - half} LAST\r\n${text.slice(half)}NOOP\r\n`
    const { commands, faults } = await run([bytes(wire)], { max: 100_000 })
    assert.deepEqual(faults, fault === undefined ? [] : [fault])
    assert.equal(commands.at(-1), 'NOOP')
  }
})
