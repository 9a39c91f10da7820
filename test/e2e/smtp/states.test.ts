/** A session against a model of it: whatever is said in whatever order, after each refusal the next transaction begins from nothing. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { seeded } from '../../support/random.ts'
import { Client, type Running, startMx } from './harness.ts'

const MAX_SIZE = 400
let mx: Running
before(async () => {
  mx = await startMx({
    limits: { messageSize: MAX_SIZE, badCommands: 1_000_000, unknownRecipients: { tarpitAfter: 1e6, perHour: 1e6, delayMs: 0, held: 1, max: 1e6 } },
  })
})
after(() => mx.stop())

/** RFC 5321 §4.1.4, RFC 3030 §2. */
class Model {
  #mail = false
  #recipient = false
  /** Of BDAT, so far. */
  #chunks: string | undefined
  /** What the chunks behind a refused one are told. */
  #failed: string | undefined
  readonly messages: string[] = []

  #reset(failed?: string): void {
    this.#mail = false
    this.#recipient = false
    this.#chunks = undefined
    this.#failed = failed
  }

  mail(): string {
    if (this.#mail) return '503'
    this.#reset()
    this.#mail = true
    return '250 2.1.0'
  }
  recipient(known: boolean): string {
    if (!this.#mail || this.#chunks !== undefined) return '503'
    this.#recipient ||= known
    return known ? '250 2.1.5' : '550 5.1.1'
  }
  anew(): string {
    this.#reset()
    return '250'
  }
  chunk(text: string, last: boolean): string {
    if (this.#failed !== undefined) return this.#failed
    if (!this.#recipient) return '503'
    this.#chunks ??= ''
    const refusal =
      this.#chunks.length + text.length > MAX_SIZE ? '552 5.3.4' : text.includes('\n') && !text.includes('\r\n') ? '550 5.6.11' : undefined
    if (refusal !== undefined) {
      this.#reset(refusal)
      return refusal
    }
    this.#chunks += text
    if (!last) return `250 2.0.0 ${text.length} octets`
    return this.#accept(this.#chunks)
  }
  /** Whether the text is asked for. */
  data(): string {
    return this.#chunks === undefined && this.#recipient ? '354' : '503'
  }
  text(text: string): string {
    if (text.length > MAX_SIZE) {
      this.#reset()
      return '552 5.3.4'
    }
    return this.#accept(text)
  }
  #accept(text: string): string {
    this.#reset()
    this.messages.push(text.endsWith('\r\n') || text === '' ? text : `${text}\r\n`)
    return '250 2.0.0 Accepted'
  }
}

const TEXTS = ['', 'a', 'a: b\r\n', 'QUIT\r\nRSET\r\n', '.\r\n', 'x'.repeat(150), `y: ${'y'.repeat(300)}\r\n`, 'bare\nLF', 'x'.repeat(MAX_SIZE + 1)]

type Said = readonly [wire: string, code: string]

function step(random: (n: number) => number, model: Model): Said {
  switch (random(10)) {
    case 0:
      return [random(2) ? 'RSET\r\n' : 'EHLO c\r\n', model.anew()]
    case 1:
    case 2:
      return ['MAIL FROM:<x@else.example>\r\n', model.mail()]
    case 3:
    case 4:
      return ['RCPT TO:<ann@example.org>\r\n', model.recipient(true)]
    case 5:
      return ['RCPT TO:<nobody@example.org>\r\n', model.recipient(false)]
    case 6:
      return [['NOOP\r\n', 'VRFY x\r\n', 'HELP\r\n'][random(3)]!, '2']
    default: {
      const text = TEXTS[random(TEXTS.length)]!
      const last = random(3) === 0
      return [`BDAT ${text.length}${last ? ' LAST' : ''}\r\n${text}`, model.chunk(text, last)]
    }
  }
}

test('400 sessions, pipelined and cut at random', async () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = seeded(seed)
    const model = new Model()
    const before = mx.store.messages.length
    const client = await Client.connect(mx.port)
    await client.reply()
    await client.expect(['EHLO c', '250'])
    const past: Said[] = []
    const converse = async (said: readonly Said[]): Promise<void> => {
      const wire = said.map(([line]) => line).join('')
      const cut = random(wire.length + 1)
      client.write(wire.slice(0, cut))
      if (random(2)) await new Promise((resolve) => setImmediate(resolve))
      client.write(wire.slice(cut))
      for (const one of said) {
        past.push(one)
        const reply = await client.reply()
        assert.ok(reply.startsWith(one[1]), `seed ${seed}: ${reply}\n${JSON.stringify(past)}`)
      }
    }
    for (let batch = 0; batch < 6; batch++) {
      await converse(Array.from({ length: 1 + random(8) }, () => step(random, model)))
      // Nothing may be sent behind DATA before its answer.
      const code = model.data()
      await converse([['DATA\r\n', code]])
      const text = ['', 'a: b\r\n', 'a: b\r\n\r\nx\r\n', `${'x'.repeat(98)}\r\n`.repeat(5)][random(4)]!
      if (code === '354') await converse([[`${text}.\r\n`, model.text(text)]])
    }
    client.close()
    assert.deepEqual(
      mx.store.messages.slice(before).map((_, i) => mx.store.body(before + i).toString('latin1')),
      model.messages,
      `seed ${seed}`,
    )
  }
  assert.ok(mx.store.messages.length > 300, String(mx.store.messages.length))
})
