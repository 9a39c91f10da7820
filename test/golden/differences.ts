/** Where we differ from the other readers on purpose: why, and in which fields of which messages. One that is no difference any more must go from here. */

/** A field's name is as in reference.py; `parts` are the types of all parts. */
export interface Difference {
  readonly why: string
  readonly at: Readonly<Record<string, readonly string[]>>
}

const FROM = ['0 From', '0 Sender', '0 Reply-To']

export const FROM_PYTHON: readonly Difference[] = [
  {
    why: 'several multiparts have one boundary: its closing line ends the innermost one only, so what is behind it belongs to the next one outside',
    at: { 'msg_15.txt': ['parts', '0.1 body'], 'msg_39.txt': ['parts', '0.1.1 body'] },
  },
  {
    why: 'a multipart without a part: BODYSTRUCTURE has none such, so there is an empty text',
    at: { 'msg_17.txt': ['parts'], 'msg_31.txt': ['parts'], 'msg_42.txt': ['parts'] },
  },
  {
    why: 'a multipart whose boundary is cut off or missing is read as the text that it then is',
    at: { 'msg_25.txt': ['parts'], 'msg_41.txt': ['parts'] },
  },
  {
    why: 'a delimiter right behind another one begins a part, though an empty one; so has it the reference’s own search for delimiters',
    at: { 'msg_37.txt': ['parts', '0 places'] },
  },
  {
    why: 'a comment that stands for a name keeps its inner parentheses, and is there once',
    at: { 'addresses: a comment as a name': ['0 To'], 'addresses: comments everywhere': ['0 To'] },
  },
  { why: '`<>` is no address', at: { 'addresses: angle without name': ['0 To'] } },
  {
    why: 'an address may stand as the name of an address, though without quotes; what is in `<>` counts',
    at: { 'addresses: an at in a name': FROM },
  },
  { why: '`;` parts addresses, for so some people type them', at: { 'addresses: semicolons between': ['0 To'] } },
  {
    why: 'white space before the colon is obsolete, not wrong: RFC 5322 §4.5',
    at: { 'addresses: a blank before the colon': ['0 Subject', ...FROM] },
  },
  {
    why: 'a parameter has a name and a `=`',
    at: { 'contents: a ; at the end': ['0.1 parameters'], 'contents: a parameter without value': ['0.1 parameters'] },
  },
  { why: 'the pieces behind a gap are lost', at: { 'contents: pieces with a gap': ['0.1 parameters'] } },
  { why: 'comments and white space may stand in a type', at: { 'contents: comments': ['parts'], 'contents: a type with blanks': ['parts'] } },
  { why: 'a disposition that is no token is none', at: { 'contents: only parameters in a disposition': ['0.1 disposition'] } },
]

const EMPTY_LINE = 'where a body has nothing but the line end that belongs to the delimiter, mailsplit counts that'
const NOT_IN_DIGEST = 'mailsplit does not know that the parts of a multipart/digest are messages'

export const FROM_MAILSPLIT: readonly Difference[] = [
  {
    why: EMPTY_LINE,
    at: {
      'msg_08.txt': ['0.1 octets', '0.2 octets', '0.3 octets'],
      'msg_09.txt': ['0.1 octets', '0.2 octets', '0.3 octets'],
      'msg_12.txt': ['0.1 octets', '0.2 octets', '0.3.1 octets', '0.4 octets'],
      'msg_12a.txt': ['0.1 octets', '0.2 octets', '0.3.1 octets', '0.4 octets'],
      ...Object.fromEntries(
        ['plain', 'untyped', 'html', 'base64', 'long name', 'message', 'empty', 'described', 'calendar', 'nested'].map((other, i) => [
          `${i % 2 === 0 ? 'mixed' : 'related'}: empty, ${other}`,
          ['0.1 octets'],
        ]),
      ),
    },
  },
  { why: NOT_IN_DIGEST, at: { 'msg_02.txt': ['parts'], 'msg_30.txt': ['parts'], 'msg_34.txt': ['parts'] } },
  {
    why: 'a type that is none is text/plain: RFC 2045 §5.2',
    at: { 'msg_14.txt': ['parts'], 'contents: no subtype': ['parts'], 'contents: nothing': ['parts'] },
  },
  {
    why: 'several multiparts have one boundary: mailsplit does not see what is behind the closing line of the inner one',
    at: { 'msg_15.txt': ['parts'], 'msg_39.txt': ['parts'] },
  },
  {
    why: 'a multipart without a part, or without a boundary: see Python’s',
    at: { 'msg_17.txt': ['parts'], 'msg_31.txt': ['parts'], 'msg_42.txt': ['parts'], 'msg_25.txt': ['parts'], 'msg_41.txt': ['parts'] },
  },
  { why: 'a boundary in an unknown charset is none to mailsplit', at: { 'msg_33.txt': ['parts'] } },
  { why: 'an empty part is none to mailsplit', at: { 'msg_37.txt': ['parts'] } },
  {
    why: 'delimiter lines of the outer multiparts, white space behind them, end the inner ones (RFC 2046 §5.1.2); mailsplit looks at no white space',
    at: { 'msg_38.txt': ['parts', '0.1.1.1 octets', '0.2 octets'] },
  },
  { why: 'a boundary makes no multipart of a text', at: { 'msg_40.txt': ['parts'] } },
  {
    why: 'white space in the pieces of a name is its own',
    at: { 'contents: pieces': ['0.1 filename'], 'contents: extended pieces': ['0.1 filename'] },
  },
  { why: 'the pieces behind a gap are lost', at: { 'contents: pieces with a gap': ['0.1 filename'] } },
  { why: 'two names are shown both, as they are; the test takes the first', at: { 'contents: extended and plain': ['0.1 filename'] } },
  { why: 'encoded words in quotes are none: RFC 2047 §5', at: { 'contents: an encoded word as a name': ['0.1 filename'] } },
  { why: 'a parameter without value is passed over, not the rest with it', at: { 'contents: a parameter without value': ['0.1 filename'] } },
  { why: 'comments and white space may stand in a type', at: { 'contents: comments': ['parts'], 'contents: a type with blanks': ['parts'] } },
  { why: 'a disposition that is no token is none', at: { 'contents: only parameters in a disposition': ['0.1 disposition'] } },
  { why: 'the parts within are shown whatever the encoding, as the header says what they are', at: { 'contents: a message as base64': ['parts'] } },
  { why: 'mailsplit does not look into message/global', at: { 'contents: message/global': ['parts'] } },
]
