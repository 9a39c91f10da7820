/** Real and hard messages, all with CRLF line ends and none with a bare CR or LF, so that they may be sent by SMTP as they are. */
import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

export interface CorpusMessage {
  readonly name: string
  readonly bytes: Buffer
}

/** The mails of Python's own test suite (Debian: libpython3.11-testsuite). */
export function pythonMails(): CorpusMessage[] {
  return globSync('/usr/lib/python3*/test/test_email/data/msg_*.txt')
    .sort()
    .map((file) => ({ name: basename(file), bytes: crlf(readFileSync(file)) }))
}

/** Every line end a CRLF; a CR that ends no line is left out. */
function crlf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n').replaceAll('\r', '').replaceAll('\n', '\r\n'), 'latin1')
}

const head = (subject: string, ...more: string[]) =>
  [
    `From: Anna <anna@sender.test>`,
    'To: first@example.test',
    `Subject: ${subject}`,
    'Date: Mon, 2 Mar 2026 10:00:00 +0100',
    'MIME-Version: 1.0',
    ...more,
    '',
    '',
  ].join('\r\n')

const text = (subject: string, body: string, ...more: string[]): CorpusMessage => ({
  name: subject,
  bytes: Buffer.from(head(subject, ...more) + body, 'utf8'),
})

function deepMultipart(depth: number): string {
  if (depth === 0) return 'Content-Type: text/plain\r\n\r\ninnermost\r\n'
  return `Content-Type: multipart/mixed; boundary="b${depth}"\r\n\r\n--b${depth}\r\n${deepMultipart(depth - 1)}\r\n--b${depth}--\r\n`
}

/** Octets that look like an attachment and are the same each time. */
function base64Lines(octets: number): string {
  const raw = Buffer.alloc(octets)
  for (let i = 0, x = 1; i < octets; i++) raw[i] = (x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0) >>> 24
  return raw.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
}

/** The shapes that break servers, and as many plain ones as make up `count`. */
export function hardMails(count: number): CorpusMessage[] {
  const attachment = base64Lines(19_000_000)
  const mails = [
    text(
      'a 25 MB attachment',
      `--x\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${attachment}\r\n--x--\r\n`,
      'Content-Type: multipart/mixed; boundary=x',
    ),
    text('8-bit', 'Grüße aus Köln — ελληνικά, 日本語\r\n', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'),
    text('lines of 998 octets', `${`${'x'.repeat(998)}\r\n`.repeat(20)}`),
    text('dots', '.\r\n..\r\n...\r\n.text\r\n\r\n.\r\n. \r\nend\r\n'),
    text('only dots', '.\r\n'),
    text('deep multipart', `preamble\r\n--b0\r\n${deepMultipart(40)}--b0--\r\n`, 'Content-Type: multipart/mixed; boundary="b0"'),
    text('empty body', ''),
    text('blank lines at the end', 'text\r\n\r\n\r\n\r\n'),
    text(
      'non-ASCII addresses',
      'hello\r\n',
      'Cc: Jörg Müller <jörg@müller.test>, "日本" <a@例え.test>',
      'Reply-To: =?utf-8?q?J=C3=B6rg?= <j@example.test>',
    ),
    text('one long folded header', 'x\r\n', `X-Long: ${'word '.repeat(20)}\r\n ${'more '.repeat(150)}\r\n\t${'tab '.repeat(150)}`),
    text('many headers', 'x\r\n', ...Array.from({ length: 300 }, (_, i) => `X-Header-${i}: value ${i}`)),
    text(
      'a message in a message',
      `--m\r\nContent-Type: message/rfc822\r\n\r\n${head('inner', 'Content-Type: text/html')}<p>inner</p>\r\n\r\n--m--\r\n`,
      'Content-Type: multipart/digest; boundary=m',
    ),
    text('boundary that is never closed', '--open\r\n\r\npart\r\n', 'Content-Type: multipart/mixed; boundary=open'),
    text('quoted-printable', 'a=3D=\r\nsoft =E2=82=AC\r\n', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable'),
    text('literal look-alikes', '{10}\r\n* 1 EXPUNGE\r\na1 OK done\r\n)\r\n', 'X-Brace: {5}', 'X-Quote: "unclosed \\'),
    { name: 'no header at all', bytes: Buffer.from('\r\njust a body\r\n') },
    { name: 'header only', bytes: Buffer.from('Subject: header only\r\n\r\n') },
  ]
  for (let n = mails.length; n < count; n++)
    mails.push(
      text(`plain ${n}`, `${`line ${n} of text that goes on for a while\r\n`.repeat(1 + ((n * 37) % 90))}`, `Message-ID: <${n}@sender.test>`),
    )
  return mails.slice(0, count)
}
