/** What the header of a message or part says about its body, and how that goes into BODYSTRUCTURE. RFC 2045, RFC 9051 §7.5.2. */
import { ENVELOPE_FIELDS, renderEnvelope } from './envelope.ts'
import { collectFields, type FieldValues } from './header.ts'
import { type Parameter, parameter, parseParametrised } from './parameters.ts'
import { type WireBudget, wireString } from './wire.ts'

/** Bytes of a boundary. RFC 2046 §5.1.1 allows 70. */
export const MAX_BOUNDARY = 200
/** Bytes of a type, subtype, disposition or encoding. RFC 6838 §4.2 allows 127. */
const MAX_TOKEN = 127
/** Tags of a Content-Language. */
const MAX_LANGUAGES = 64

export type PartKind = 'multipart' | 'message' | 'leaf'
export type Media = 'text' | 'html' | 'other'
export type Encoding = '7bit' | '8bit' | 'binary' | 'base64' | 'quoted-printable' | 'unknown'

export interface Entity {
  readonly kind: PartKind
  /** `text` for every text type but HTML. */
  readonly media: Media
  readonly encoding: Encoding
  /** Of a multipart; others have none. Bytes as characters. */
  readonly boundary: string | undefined
  /** Parts without Content-Type are messages: multipart/digest, RFC 2046 §5.1.5. */
  readonly digest: boolean
  /** `"text" "plain" NIL NIL NIL "7bit"`; of a multipart the subtype alone. */
  readonly basic: string
  /** ` md5 disposition language location`; of a multipart ` parameters disposition language location`. */
  readonly extension: string
  /** Of the header of a message, not of a part. */
  readonly envelope: string | undefined
}

const CONTENT_FIELDS = ['type', 'transfer-encoding', 'id', 'description', 'disposition', 'language', 'location', 'md5'].map(
  (name) => `content-${name}`,
)
const OF_PART: ReadonlySet<string> = new Set(CONTENT_FIELDS)
const OF_MESSAGE: ReadonlySet<string> = new Set([...CONTENT_FIELDS, ...ENVELOPE_FIELDS])
const ENCODINGS: readonly Encoding[] = ['7bit', '8bit', 'binary', 'base64', 'quoted-printable']

export interface EntityContext {
  /** The header of a message: it has an envelope. */
  readonly message: boolean
  /** A part of a multipart/digest. */
  readonly inDigest: boolean
  /** False where no further level of nesting is allowed: a multipart or message is then one opaque part. */
  readonly mayNest: boolean
}

export function describeEntity(block: Buffer, context: EntityContext, budget: WireBudget): Entity {
  const fields = collectFields(block, context.message ? OF_MESSAGE : OF_PART)
  const envelope = context.message ? renderEnvelope(fields, budget) : undefined
  const type = contentType(fields.get('content-type')?.[0], context)
  const disposition = dispositionOf(fields, budget)
  const tail = `${disposition} ${languages(fields, budget)} ${budget.nstring(fields.get('content-location')?.[0])}`
  const parameters = renderParameters(type.parameters, budget)
  const common = { envelope, boundary: type.boundary, digest: type.type === 'multipart' && type.subtype === 'digest' }
  const encoding = encodingOf(fields)
  if (type.boundary) {
    return { ...common, kind: 'multipart', media: 'other', encoding: '7bit', basic: wireString(type.subtype), extension: ` ${parameters} ${tail}` }
  }
  const id = budget.nstring(fields.get('content-id')?.[0])
  const description = budget.nstring(fields.get('content-description')?.[0])
  return {
    ...common,
    kind: isMessage(type) ? 'message' : 'leaf',
    media: type.type !== 'text' ? 'other' : type.subtype === 'html' ? 'html' : 'text',
    encoding: ENCODINGS.find((e) => e === encoding) ?? 'unknown',
    basic: `${wireString(type.type)} ${wireString(type.subtype)} ${parameters} ${id} ${description} ${wireString(encoding)}`,
    extension: ` ${budget.nstring(fields.get('content-md5')?.[0])} ${tail}`,
  }
}

/** Stands for all that is left of a message when its parts are too many. */
export const OPAQUE: Entity = {
  kind: 'leaf',
  media: 'other',
  encoding: 'binary',
  boundary: undefined,
  digest: false,
  basic: '"application" "octet-stream" NIL NIL NIL "binary"',
  extension: ' NIL NIL NIL NIL',
  envelope: undefined,
}

/** The one part of a multipart in which no part was found: BODYSTRUCTURE has no empty multipart. */
export const EMPTY_TEXT: Entity = {
  ...OPAQUE,
  media: 'text',
  encoding: '7bit',
  basic: '"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"',
}

interface ContentType {
  readonly type: string
  readonly subtype: string
  readonly parameters: readonly Parameter[]
  readonly boundary: string | undefined
}

const US_ASCII: Parameter = ['charset', 'us-ascii']
const PLAIN_TEXT: ContentType = { type: 'text', subtype: 'plain', parameters: [US_ASCII], boundary: undefined }
const MESSAGE: ContentType = { type: 'message', subtype: 'rfc822', parameters: [], boundary: undefined }
const OCTETS: ContentType = { type: 'application', subtype: 'octet-stream', parameters: [], boundary: undefined }

/** RFC 2046 §5.2.1, RFC 6532 §3.7. */
const isMessage = ({ type, subtype }: Pick<ContentType, 'type' | 'subtype'>): boolean =>
  type === 'message' && (subtype === 'rfc822' || subtype === 'global')

/** Absent, malformed, or a multipart without a boundary: plain text, as RFC 2045 §5.2 has it. */
function contentType(text: string | undefined, { inDigest, mayNest }: EntityContext): ContentType {
  if (text === undefined) return inDigest ? (mayNest ? MESSAGE : OCTETS) : PLAIN_TEXT
  const { value, parameters } = parseParametrised(text)
  const slash = value.indexOf('/')
  const type = value.slice(0, slash)
  const subtype = value.slice(slash + 1)
  if (slash < 0 || !isToken(type) || !isToken(subtype)) return PLAIN_TEXT
  if (type === 'multipart') {
    const boundary = boundaryOf(parameters)
    if (!boundary) return PLAIN_TEXT
    return mayNest ? { type, subtype, parameters, boundary } : OCTETS
  }
  if (isMessage({ type, subtype }) && !mayNest) return OCTETS
  const bare = type === 'text' && parameter(parameters, 'charset') === undefined
  return { type, subtype, parameters: bare ? [...parameters, US_ASCII] : parameters, boundary: undefined }
}

function boundaryOf(parameters: readonly Parameter[]): string | undefined {
  const text = parameter(parameters, 'boundary') ?? ''
  let end = text.length
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end-- // as at the end of a delimiter line
  return end > 0 && end <= MAX_BOUNDARY ? text.slice(0, end) : undefined
}

/** Lower-case; 7bit where nothing sensible is said. */
function encodingOf(fields: FieldValues): string {
  const field = fields.get('content-transfer-encoding')?.[0]
  if (!field) return '7bit'
  const { value } = parseParametrised(field)
  return isToken(value) ? value : '7bit'
}

function dispositionOf(fields: FieldValues, budget: WireBudget): string {
  const field = fields.get('content-disposition')?.[0]
  if (!field) return 'NIL'
  const { value, parameters } = parseParametrised(field)
  return isToken(value) ? `(${wireString(value)} ${renderParameters(parameters, budget)})` : 'NIL'
}

function languages(fields: FieldValues, budget: WireBudget): string {
  const field = fields.get('content-language')?.[0]
  if (!field) return 'NIL'
  const tags = field.split(',', MAX_LANGUAGES).map((tag) => parseParametrised(tag).value)
  const sent = tags.filter((tag) => isToken(tag) && budget.takes(tag.length))
  return sent.length > 0 ? `(${sent.map(wireString).join(' ')})` : 'NIL'
}

function renderParameters(parameters: readonly Parameter[], budget: WireBudget): string {
  const sent = parameters.filter(([name, value]) => budget.takes(name.length + value.length))
  return sent.length > 0 ? `(${sent.map(([name, value]) => `${wireString(name)} ${wireString(value)}`).join(' ')})` : 'NIL'
}

/** RFC 2045 §5.1, without the characters that only break things. */
const isToken = (text: string): boolean => text.length <= MAX_TOKEN && /^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+$/.test(text)
