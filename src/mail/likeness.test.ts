import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { headerEnd } from './header.ts'
import { Likeness } from './likeness.ts'

const HEAD = 'Message-ID: <1@x.test>\r\nFrom: Ann <ann@x.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nSubject: hello\r\n'
const BODY = '\r\none\r\ntwo\r\n'

function of(text: string, step = Number.POSITIVE_INFINITY): string | undefined {
  const message = Buffer.from(text, 'latin1')
  const end = headerEnd(message)
  const likeness = Likeness.of(message.subarray(0, end))
  for (let at = end; at < message.length; at += step) likeness?.write(message.subarray(at, at + step))
  return likeness?.digest().toString('hex')
}

const multipart = (boundary: string, inner: string, text = 'text'): string =>
  [
    `${HEAD}Content-Type: multipart/mixed;\r\n boundary="${boundary}"\r\n`,
    `--${boundary}`,
    `Content-Type: multipart/alternative; boundary="${inner}"`,
    '',
    `--${inner}\r\n\r\n${text}\r\n--${inner}--`,
    `--${boundary}\r\n\r\n-- \r\n--no boundary\r\n--${boundary}--\r\n`,
  ].join('\r\n')

describe('copies of one message', () => {
  const SAME: readonly [string, string][] = [
    ['as it was', HEAD + BODY],
    ['fields of the program', `X-Universally-Unique-Identifier: 1\r\nBcc: secret@y.test\r\n${HEAD}X-Mozilla-Status: 0001\r\n${BODY}`],
    ['another order, another case, folded', `SUBJECT:\r\n hello\r\nfrom: "Ann Example" <Ann@X.test>\r\nMessage-Id:\r\n <1@x.test>\r\n${BODY}`],
    ['dated later', HEAD.replace('10:00:00', '10:00:03') + BODY],
    ['an encoded subject', HEAD.replace('hello', '=?utf-8?q?hello?=') + BODY],
    ['white space at the ends', `${HEAD}\r\none  \r\ntwo\r\n\r\n\r\n`],
    ['no line end', `${HEAD}\r\none\r\ntwo`],
  ]
  for (const [what, text] of SAME) test(what, () => assert.equal(of(text), of(HEAD + BODY)))

  test('boundaries of their own, in any pieces', () => {
    const one = of(multipart('----=_NextPart_000_0015', 'b1'))
    for (const step of [1, 7, 64, 1000]) assert.equal(of(multipart('==another==', 'b 2'), step), one, `${step}`)
  })
})

describe('messages of their own', () => {
  const OTHERS: readonly [string, string][] = [
    ['another id', HEAD.replace('1@x', '2@x') + BODY],
    ['another writer', HEAD.replace('ann@x', 'bob@x') + BODY],
    ['another subject', HEAD.replace('hello', 'hello!') + BODY],
    ['another text', `${HEAD}\r\none\r\nTwo\r\n`],
    ['more text', `${HEAD}${BODY}more\r\n`],
    ['no text', `${HEAD}\r\n`],
    ['parts', multipart('b', 'c')],
  ]
  for (const [what, text] of OTHERS) test(what, () => assert.notEqual(of(text), of(HEAD + BODY)))

  test('what only looks like a boundary counts', () => {
    const one = multipart('b', 'c')
    for (const [from, to] of [
      ['--no boundary', '--another'],
      ['-- \r\n', '---\r\n'],
      ['text', 'test'],
    ] as const)
      assert.notEqual(of(one.replace(`${from}`, to)), of(one), from)
  })
})

test('without one Message-ID there is nothing to go by', () => {
  for (const head of ['From: a@b\r\n', 'Message-ID: none\r\n', 'Message-ID: <a@b> <c@d>\r\n', 'Message-ID: <a@b>\r\nMessage-ID: <a@b>\r\n', ''])
    assert.equal(of(`${head}\r\nx`), undefined, head)
})

test('hostile ones take no time', () => {
  const before = performance.now()
  const type = `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n`
  for (const piece of ['boundary=', '--b', '--', '=', 'x', 'boundary="x";\r\n', '\r\n', ' ']) of(type + piece.repeat(500_000 / piece.length), 4096)
  assert.ok(performance.now() - before < 2000, `${performance.now() - before}`)
})
