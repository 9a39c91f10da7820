/** Messages whose ENVELOPE and BODYSTRUCTURE are written down: real ones, hard ones, and every pair of shapes that mail comes in. */
import { type CorpusMessage, hardMails, pythonMails } from '../support/corpus.ts'
import { fieldMails } from './fields.ts'

const HEAD = 'From: Ann <ann@example.test>\r\nTo: Bob <bob@example.test>, "C, D" <cd@example.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n'

/** Bodies with their own header fields. */
const SHAPES: readonly (readonly [name: string, entity: string])[] = [
  ['plain', 'Content-Type: text/plain; charset=utf-8\r\n\r\nwords\r\n'],
  ['untyped', '\r\nwords without a type\r\n'],
  ['html', 'Content-Type: TEXT/HTML; charset="iso-8859-1"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n<p>=FC</p>\r\n'],
  [
    'base64',
    'Content-Type: image/png; name="a b.png"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="a b.png"\r\n\r\nAAEC\r\n',
  ],
  [
    'long name',
    'Content-Type: application/pdf; name*0="long "; name*1=name.pdf\r\nContent-Disposition: inline; filename*=utf-8\'\'%C3%BC.pdf\r\n\r\n%PDF\r\n',
  ],
  ['message', 'Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: inner@example.test\r\n\r\ninner words\r\n'],
  ['empty', 'Content-Type: text/plain\r\n\r\n'],
  [
    'described',
    'Content-Type: text/x-note\r\nContent-ID: <id@example.test>\r\nContent-Description: a note\r\nContent-MD5: x==\r\nContent-Language: de, en\r\nContent-Location: http://example.test/\r\n\r\nx',
  ],
  ['calendar', 'Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n'],
  ['nested', 'Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\none\r\n--in\r\nContent-Type: text/html\r\n\r\ntwo\r\n--in--\r\n'],
]
const SUBTYPES = ['mixed', 'related']

function pairs(): CorpusMessage[] {
  const mails: CorpusMessage[] = SHAPES.map(([name, entity]) => ({
    name: `alone: ${name}`,
    bytes: Buffer.from(`${HEAD}Subject: ${name}\r\n${entity}`),
  }))
  SHAPES.forEach(([first, one], i) => {
    SHAPES.forEach(([second, other], k) => {
      const boundary = `=_${i}.${k}`
      const subtype = SUBTYPES[(i + k) % SUBTYPES.length]!
      const type = `Content-Type: multipart/${subtype}; boundary="${boundary}"\r\nMessage-ID: <${i}.${k}@example.test>\r\n`
      const body = `preamble\r\n--${boundary}\r\n${one}\r\n--${boundary}\r\n${other}\r\n--${boundary}--\r\nepilogue\r\n`
      mails.push({
        name: `${subtype}: ${first}, ${second}`,
        bytes: Buffer.from(`${HEAD}Subject: ${first} and ${second}\r\nMIME-Version: 1.0\r\n${type}\r\n${body}`),
      })
    })
  })
  return mails
}

export const goldenMails = (): CorpusMessage[] => [...pythonMails(), ...hardMails(17).slice(1), ...pairs(), ...fieldMails()]
