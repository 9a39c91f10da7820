/** Messages made up at random, the same for the same seed: multiparts, digests and messages within each other, line ends mixed, delimiters that are none. */
import type { CorpusMessage } from '../support/corpus.ts'

const FIELDS = [
  ...[
    'Content-Type: text/plain; charset=utf-8',
    'Content-Type: text/html',
    'Content-Type: image/gif; name="x y"',
    'Content-Transfer-Encoding: base64',
  ],
  ...['Content-Disposition: attachment; filename="a;b.txt"', "Content-Disposition: inline; filename*0*=utf-8''a%20; filename*1=b"],
  ...[
    'Content-ID: <a@b>',
    'Content-Description: d\r\n\te',
    'X-Folded: a\r\n b',
    'Subject: x',
    'Message-ID: <x@y>',
    'Date: Mon, 2 Mar 2026 10:00:00 +0100',
  ],
  ...['From: A <a@b.c>, d@e.f', 'To: G: a@b.c, "q r" <x@y>;', 'Cc: =?utf-8?q?a?= b <c@d>', 'Reply-To: "a\\"b" <c@d>', 'Bcc: a@b (comment)'],
]
/** With a digit behind, so that no two multiparts within each other have the same. */
const BOUNDARIES = ['b', 'bb', 'b-', 'b c', '=_x', 'b--']
const SUBTYPES = ['mixed', 'digest', 'alternative']
const TEXTS = ['', 'text', 'text\r\n', 'a\nb\n', '\r\n', '--q', '--bbb\r\nx', '-- b\r\n', 'x\r\n--', 'line\r\n\r\nline: x\r\n']

/** Dice that fall the same way for the same seed. */
export function dice(seed: number) {
  let state = seed
  const below = (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(((state >>> 8) * n) / 2 ** 24)
  }
  return { below, pick: <T>(list: readonly T[]): T => list[below(list.length)]! }
}

export function madeUpMails(seed: number, count: number): CorpusMessage[] {
  const { below, pick } = dice(seed)

  function entity(depth: number): string {
    const kind = depth > 0 ? below(10) : 9
    const fields = Array.from({ length: below(4) }, () => pick(FIELDS)).filter((field) => kind > 4 || !field.startsWith('Content-Type'))
    if (kind < 4) return multipart(depth, fields)
    if (kind === 4)
      return `${[`Content-Type: message/${pick(['rfc822', 'global'])}`, ...fields].join('\r\n')}\r\n\r\nX-Inner: x\r\n${entity(depth - 1)}`
    return `${fields.map((field) => `${field}\r\n`).join('')}${pick(['\r\n', '\r\n', '\n'])}${pick(TEXTS)}`
  }

  function multipart(depth: number, fields: readonly string[]): string {
    const boundary = `${pick(BOUNDARIES)}${depth}`
    const head = [`Content-Type: multipart/${pick(SUBTYPES)}; boundary="${boundary}"`, ...fields].join('\r\n')
    const parts = Array.from(
      { length: 1 + below(3) },
      () =>
        `--${boundary}${pick(['', '', ' ', '\t '])}${pick(['\n', ...Array(5).fill('\r\n')])}${entity(depth - 1)}${pick(['\r\n', '\n', '\r\n\r\n'])}`,
    )
    const close = pick([`--${boundary}--\r\n`, `--${boundary}--`, `--${boundary}-- \r\nepilogue\r\n`, '', `--${boundary}--x\r\n`])
    return `${head}\r\n\r\n${pick(['', 'preamble\r\n', '--x\r\n', '\r\n'])}${parts.join('')}${close}`
  }

  return Array.from({ length: count }, (_, i) => ({ name: `made up: ${seed}.${i}`, bytes: Buffer.from(entity(4), 'latin1') }))
}
