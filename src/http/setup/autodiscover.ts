/** Autodiscover, as Outlook asks for an account's servers: MS-OXDSCLI, plain old XML and the JSON that leads there. */
import { createHash } from 'node:crypto'
import { canonical } from '../../mail/address.ts'
import { readAutodiscover } from './autodiscover-request.ts'
import { element } from './escape.ts'
import { best, type Offer, ours, type Reach, webOrigin } from './reach.ts'

export const AUTODISCOVER_TYPE = 'text/xml; charset=utf-8'
/** Outlook writes it in many cases: compare without. */
export const AUTODISCOVER_PATH = '/autodiscover/autodiscover.xml'

const RESPONSE = 'http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006'
const OUTLOOK = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a'

/** MS-OXDSCLI §2.2.4.1.1.3.1. */
const ERRORS = { 500: 'The email address cannot be found.', 600: 'Invalid Request', 601: 'Provider is not available' } as const

/** To a POST's body, the XML that is sent with a 200, errors too. It is the same for an address that nobody has as for one that somebody has. */
export function autodiscover(reach: Reach, body: string, at: Date): string {
  const request = readAutodiscover(body)
  if (!request || (request.address !== '' && canonical(request.address) === undefined)) return failure(600, reach, at)
  if (request.schema !== '' && request.schema !== OUTLOOK) return failure(601, reach, at)
  // Exchange's own names of users (LegacyDN) come without an address.
  const user = ours(reach, request.address)
  if (!user) return failure(500, reach, at)
  const protocols = (['imap', 'pop3', 'smtp'] as const).flatMap((protocol) => best(reach, protocol) ?? [])
  return document([
    `  <Response xmlns="${OUTLOOK}">`,
    `    <User>${element('DisplayName', user.address)}</User>`,
    '    <Account>',
    '      <AccountType>email</AccountType>',
    '      <Action>settings</Action>',
    ...protocols.flatMap((offer) => protocolBlock(reach, offer, user.address)),
    '    </Account>',
    '  </Response>',
  ])
}

/** One block for each protocol: a second one of a kind is no second choice to Outlook. */
const protocolBlock = ({ hostname }: Reach, { protocol, port, security }: Offer, login: string): string[] => [
  '      <Protocol>',
  ...[
    element('Type', protocol.toUpperCase()),
    element('Server', hostname),
    element('Port', port),
    element('LoginName', login),
    element('DomainRequired', 'off'),
    // SPA is NTLM.
    element('SPA', 'off'),
    element('SSL', 'on'),
    // Goes before SSL; TLS stands for STARTTLS.
    element('Encryption', security === 'tls' ? 'SSL' : 'TLS'),
    element('AuthRequired', 'on'),
    ...(protocol === 'smtp' ? [element('UsePOPAuth', 'on'), element('SMTPLast', 'off')] : []),
  ].map((line) => `        ${line}`),
  '      </Protocol>',
]

function failure(code: keyof typeof ERRORS, { hostname }: Reach, at: Date): string {
  const id = createHash('sha256').update(hostname).digest().readUInt32BE()
  return document([
    '  <Response>',
    `    <Error Time="${at.toISOString().slice(11, 23)}0000" Id="${id}">`,
    `      ${element('ErrorCode', code)}`,
    `      ${element('Message', ERRORS[code])}`,
    '      <DebugData />',
    '    </Error>',
    '  </Response>',
  ])
}

const document = (lines: readonly string[]): string =>
  ['<?xml version="1.0" encoding="utf-8"?>', `<Autodiscover xmlns="${RESPONSE}">`, ...lines, '</Autodiscover>', ''].join('\n')

export interface AutodiscoverJson {
  readonly status: 200 | 400 | 404
  /** application/json. */
  readonly body: string
}

/**
 * Version 2: `/autodiscover/autodiscover.json?Email=…&Protocol=…`, or with the address behind `/v1.0/`. `email`, `protocol`: null, or empty, where there is none. Leads to the XML; we are neither
 * ActiveSync nor EWS nor REST.
 */
export function autodiscoverJson(
  reach: Reach,
  { email, protocol }: { readonly email: string | null; readonly protocol: string | null },
): AutodiscoverJson {
  if (!protocol) return refused(400, 'MandatoryParameterMissing', "A valid value must be provided for the query parameter 'Protocol'.")
  if (protocol.toLowerCase() !== 'autodiscoverv1')
    return refused(400, 'InvalidProtocol', "The given protocol value is invalid. Supported values are 'AutodiscoverV1'.")
  if (email && !ours(reach, email)) return refused(404, 'InvalidUserId', 'Mail of this address is not kept here.')
  return { status: 200, body: JSON.stringify({ Protocol: 'AutodiscoverV1', Url: `${webOrigin(reach)}${AUTODISCOVER_PATH}` }) }
}

const refused = (status: 400 | 404, ErrorCode: string, ErrorMessage: string): AutodiscoverJson => ({
  status,
  body: JSON.stringify({ ErrorCode, ErrorMessage }),
})
