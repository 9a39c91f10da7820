/** Messages for single fields: addresses and parameters as they are written by those who read the RFCs, and by those who did not. */
import type { CorpusMessage } from '../support/corpus.ts'

const ADDRESSES: readonly (readonly [name: string, fields: string])[] = [
  ['two mailboxes', 'From: Ann <ann@example.test>, bob@example.test\r\nSender: Bob <bob@example.test>'],
  ['a reply-to of one’s own', 'From: ann@example.test\r\nReply-To: list@example.test, "Ann, B." <ann.b@example.test>'],
  ['empty sender and reply-to', 'From: ann@example.test\r\nSender:\r\nReply-To: \r\nCc:'],
  ['a group', 'From: ann@example.test\r\nTo: Friends: Ann <ann@example.test>, bob@example.test;, c@example.test'],
  ['an empty group', 'From: ann@example.test\r\nTo: undisclosed-recipients:;'],
  ['two groups', 'From: ann@example.test\r\nCc: "A, B": a@example.test;, C D: d@example.test, e@example.test;'],
  ['a group of one', 'To: One:one@example.test;\r\nBcc: hidden@example.test'],
  ['quoted pairs', 'From: "Ann \\"the\\" Smith \\\\ Co" <ann@example.test>'],
  ['a quoted local part', 'From: "ann smith"@example.test\r\nTo: <"a@b"@example.test>, "dots..in.it"@example.test'],
  ['a comment as a name', 'From: ann@example.test (Ann Smith)\r\nTo: bob@example.test (Bob (the builder))'],
  ['comments everywhere', 'From: (one) Ann (two) <ann@example.test> (three)\r\nTo: bob(x)@example.test'],
  ['a route', 'From: Ann <@a.test,@b.test:ann@example.test>'],
  ['a domain literal', 'From: ann@[192.0.2.1]\r\nTo: bob@[IPv6:2001:db8::1]'],
  [
    'encoded words',
    'From: =?utf-8?q?J=C3=B6rg_M?= =?utf-8?b?w7xsbGVy?= <j@example.test>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_zwei?=',
  ],
  ['an encoded word in quotes', 'From: "=?utf-8?q?J=C3=B6rg?=" <j@example.test>'],
  ['8-bit names', 'From: Jörg Müller <jörg@müller.test>\r\nTo: "Ä, Ö" <u@example.test>\r\nSubject: à la carte à'],
  [
    'folded',
    'From: Ann\r\n Smith <ann@example.test>\r\nTo: bob@example.test,\r\n\tcarl@example.test,\r\n  "D\r\n E" <de@example.test>\r\nSubject: one\r\n two\r\n\tthree',
  ],
  ['a name with dots', 'From: John Q. Public <jqp@example.test>\r\nTo: J.R. <jr@example.test>'],
  ['no white space', 'From: Ann<ann@example.test>\r\nTo: a@example.test,b@example.test,"C"<c@example.test>'],
  ['white space around dots', 'From: ann . smith @ example . test'],
  ['empty members', 'From: ann@example.test\r\nTo: a@example.test,, b@example.test,'],
  ['no domain', 'From: root\r\nTo: Ann <ann>, postmaster'],
  ['angle without name', 'From: <ann@example.test>\r\nTo: <>\r\nCc: < bob@example.test >'],
  [
    'several fields',
    'From: ann@example.test\r\nTo: a@example.test\r\nTo: B <b@example.test>\r\nCc: c@example.test\r\nCC: d@example.test\r\nSubject: one\r\nSubject: two',
  ],
  ['an apostrophe', "From: O'Neil <o'neil@example.test>\r\nTo: 'quoted' <q@example.test>"],
  ['a comma without quotes', 'From: Smith, Ann <ann@example.test>'],
  ['an at in a name', 'From: ann@home.test <ann@example.test>\r\nTo: "bob@home.test" <bob@example.test>'],
  ['semicolons between', 'From: ann@example.test\r\nTo: a@example.test; b@example.test'],
  ['unclosed', 'From: Ann <ann@example.test\r\nTo: "Bob <bob@example.test>\r\nCc: c@example.test (open'],
  ['a plus and dashes', 'From: ann+tag=x@example.test\r\nTo: a_b-c@sub-domain.example.test'],
  ['ids', 'Message-ID:  <a@b>  \r\nIn-Reply-To: <c@d>\r\n <e@f> (why)\r\nReferences: <g@h>\r\nDate:   Tue,  3 Mar 2026 10:00 +0000 (UTC)'],
  ['ids that are none', 'Message-ID: no brackets\r\nIn-Reply-To: Your message of "Tue, 3 Mar"\r\nDate: yesterday'],
  ['empty fields', 'Message-ID:\r\nIn-Reply-To: \r\nDate:\r\nSubject:\r\nFrom:'],
  ['a blank before the colon', 'From : ann@example.test\r\nSubject\t: spaced'],
]

const CONTENTS: readonly (readonly [name: string, fields: string])[] = [
  ['quoted parameters', 'Content-Type: text/plain; charset="utf-8"; format="flowed"; x="a \\"b\\" \\\\ c; d=e"'],
  ['no space after ;', 'Content-Type: text/plain;charset=utf-8;format=flowed;delsp=yes'],
  ['space around =', 'Content-Type: text/plain; charset = utf-8 ; format = flowed'],
  ['a ; at the end', 'Content-Type: text/plain; charset=utf-8;'],
  ['upper case', 'CONTENT-TYPE: Text/HTML; CHARSET=UTF-8; Format=Flowed\r\ncontent-transfer-encoding: 8BIT'],
  ['folded parameters', 'Content-Type: application/x-y;\r\n name="a\r\n b";\r\n\tother=c'],
  ['pieces', 'Content-Type: application/x-y; name*0="one "; name*1="two "; name*2=three; other=x'],
  ['pieces out of order', 'Content-Type: application/x-y; name*1=two; name*0=one'],
  ['pieces with a gap', 'Content-Type: application/x-y; name*0=one; name*2=three'],
  ['extended', "Content-Type: application/x-y; name*=utf-8'de'%C3%BC%20x.pdf"],
  ['extended Latin-1', "Content-Disposition: attachment; filename*=iso-8859-1''%FCber.txt"],
  ['extended pieces', 'Content-Disposition: attachment; filename*0*=utf-8\'\'%C3%BC; filename*1*=%C3%A4; filename*2=" b.txt"'],
  ['extended and plain', 'Content-Disposition: attachment; filename="u.txt"; filename*=utf-8\'\'%C3%BC.txt'],
  ['an encoded word as a name', 'Content-Type: application/x-y; name="=?utf-8?q?=C3=BC?="'],
  ['8-bit name', 'Content-Disposition: attachment; filename="grüße.txt"'],
  ['a name without quotes', 'Content-Disposition: attachment; filename=a b c.txt'],
  ['a parameter without value', 'Content-Type: application/x-y; lone; name=x; empty=""'],
  ['a parameter twice', 'Content-Type: text/plain; charset=utf-8; charset=us-ascii'],
  ['comments', 'Content-Type: text/plain (a comment); charset=utf-8 (another)\r\nContent-Transfer-Encoding: 8bit (yes)'],
  ['no subtype', 'Content-Type: text'],
  ['nothing', 'Content-Type:\r\nContent-Transfer-Encoding:\r\nContent-Disposition:'],
  ['a type with blanks', 'Content-Type: text / plain; charset=utf-8'],
  ['an unknown encoding', 'Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode'],
  ['disposition parameters', 'Content-Disposition: ATTACHMENT; filename="a.txt"; size=1234; creation-date="Mon, 2 Mar 2026 10:00:00 +0100"'],
  ['a bare disposition', 'Content-Disposition: inline'],
  ['only parameters in a disposition', 'Content-Disposition: filename=x.txt'],
  ['languages', 'Content-Language: de-AT, en ,fr'],
  ['location', 'Content-Location: http://example.test/a\r\n /b\r\nContent-Base: http://example.test/'],
  [
    'description',
    'Content-Description: =?utf-8?q?=C3=BC?= and "quotes" \\ \r\n folded\r\nContent-ID:  <x@y> \r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
  ],
  ['two types', 'Content-Type: text/html\r\nContent-Type: text/plain'],
  ['a message as base64', 'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64'],
  ['a partial message', 'Content-Type: message/partial; id="x@y"; number=1; total=2'],
  ['a delivery status', 'Content-Type: message/delivery-status'],
  ['message/global', 'Content-Type: message/global'],
]

const HEAD = 'From: Ann <ann@example.test>\r\n'
const mail = (name: string, text: string): CorpusMessage => ({ name, bytes: Buffer.from(text) })

/** Those of addresses are alone, those of contents are a part. */
export const fieldMails = (): CorpusMessage[] => [
  ...ADDRESSES.map(([name, fields]) => mail(`addresses: ${name}`, `${fields}\r\n\r\nwords\r\n`)),
  ...CONTENTS.map(([name, fields]) =>
    mail(
      `contents: ${name}`,
      `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${fields}\r\n\r\nTo: inner@example.test\r\nSubject: two\r\n\r\nthree\r\n--b--\r\n`,
    ),
  ),
]
