/** Mozilla's autoconfig: what Thunderbird, K-9, Evolution, KMail and others ask for a new account's servers. draft-ietf-mailmaint-autoconfig, version 1.1 of its format. */
import { domainToUnicode } from 'node:url'
import { canonical, canonicalDomain } from '../../mail/address.ts'
import { element, escaped } from './escape.ts'
import { type Offer, offers, ours, type Reach, webOrigin } from './reach.ts'

export const AUTOCONFIG_TYPE = 'text/xml; charset=utf-8'

/** What the draft allows of a name, and of its short form, in characters. */
const MAX_NAME = 60
const MAX_SHORT_NAME = 20

const SOCKET = { tls: 'SSL', starttls: 'STARTTLS' } as const

/**
 * `domain`: of the host that was asked. `address`: what the program sent along, which goes before it: who looks for the hosts of MX records asks for them with somebody else's. What
 * is no address at all (some send the placeholder) counts as none. undefined: nothing is known here of that domain, or there is no mail to be read.
 */
export function autoconfig(reach: Reach, domain: string, address = ''): string | undefined {
  const asked = canonical(address) === undefined ? canonicalDomain(domain) : ours(reach, address)?.domain
  if (asked === undefined || !reach.domains.includes(asked)) return undefined
  const incoming = [...offers(reach, 'imap'), ...offers(reach, 'pop3')]
  if (incoming.length === 0) return undefined
  const name = domainToUnicode(asked) || asked
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<clientConfig version="1.1">',
    `  <emailProvider id="${escaped(asked)}">`,
    `    ${element('domain', asked)}`,
    `    ${element('displayName', cut(name, MAX_NAME))}`,
    `    ${element('displayShortName', cut(name, MAX_SHORT_NAME))}`,
    ...incoming.flatMap((offer) => server('incomingServer', reach, offer)),
    ...offers(reach, 'smtp').flatMap((offer) => server('outgoingServer', reach, offer)),
    `    <documentation url="${escaped(webOrigin(reach))}/">`,
    '      <descr lang="en">What to type into a mail program</descr>',
    '    </documentation>',
    '  </emailProvider>',
    '</clientConfig>',
  ]
  return `${lines.join('\n')}\n`
}

const server = (tag: 'incomingServer' | 'outgoingServer', { hostname }: Reach, { protocol, port, security }: Offer): string[] => [
  `    <${tag} type="${protocol}">`,
  ...[element('hostname', hostname), element('port', port), element('socketType', SOCKET[security])].map(indented),
  // A password as it is, within TLS.
  ...[element('authentication', 'password-cleartext'), element('username', '%EMAILADDRESS%')].map(indented),
  // What a program leaves stays, and no server of ours counts its days: of the others of these settings nothing is said.
  ...(protocol === 'pop3' ? ['<pop3>', `  ${element('leaveMessagesOnServer', 'true')}`, '</pop3>'].map(indented) : []),
  `    </${tag}>`,
]

const indented = (line: string): string => `      ${line}`

const cut = (text: string, length: number): string => {
  const characters = [...text]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}
