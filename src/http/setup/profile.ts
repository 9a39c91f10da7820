/** Apple's configuration profile, which sets up an account on an iPhone, iPad or Mac: `com.apple.mail.managed` of Apple's device management. */
import { createHash } from 'node:crypto'
import { escaped, fitsXml } from './escape.ts'
import { best, type Reach } from './reach.ts'

/** Safari hands over to Settings what has this type. */
export const PROFILE_TYPE = 'application/x-apple-aspen-config'
export const PROFILE_NAME = 'mail.mobileconfig'

export interface ProfileOptions {
  /** Of the user that is logged in, as the server has it. */
  readonly address: string
  readonly incoming: 'imap' | 'pop3'
  /** Whoever has the file has it then. Absent: the device asks for it, once. */
  readonly password?: string | undefined
  /** How the user is called: stands in what is sent. */
  readonly name?: string | undefined
}

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value | undefined }

/** A plist. undefined: mail cannot be read so from outside, or none can be sent. */
export function profile(reach: Reach, { address, incoming, password, name }: ProfileOptions): string | undefined {
  const from = best(reach, incoming)
  const to = best(reach, 'smtp')
  if (!from || !to) return undefined
  const { hostname } = reach
  const id = (part: string): string => uuid(`${incoming}://${hostname}/${address}#${part}`)
  const kind = incoming === 'imap' ? 'IMAP' : 'POP3'
  const label = `${address} (${kind})`
  const identifier = `${hostname.split('.').reverse().join('.')}.${incoming}.${id('account')}`
  // XML has no way to write some controls; who has them in a password types it.
  const secret = password !== undefined && fitsXml(password) ? password : undefined
  const account = {
    PayloadType: 'com.apple.mail.managed',
    PayloadVersion: 1,
    PayloadIdentifier: `${identifier}.account`,
    PayloadUUID: id('account'),
    PayloadDisplayName: label,
    EmailAccountDescription: incoming === 'imap' ? address : label,
    EmailAccountName: name,
    EmailAccountType: incoming === 'imap' ? 'EmailTypeIMAP' : 'EmailTypePOP',
    EmailAddress: address,
    IncomingMailServerAuthentication: 'EmailAuthPassword',
    IncomingMailServerHostName: hostname,
    IncomingMailServerPortNumber: from.port,
    IncomingMailServerUseSSL: true,
    IncomingMailServerUsername: address,
    IncomingPassword: secret,
    OutgoingMailServerAuthentication: 'EmailAuthPassword',
    OutgoingMailServerHostName: hostname,
    OutgoingMailServerPortNumber: to.port,
    OutgoingMailServerUseSSL: true,
    OutgoingMailServerUsername: address,
    OutgoingPassword: secret,
    OutgoingPasswordSameAsIncomingPassword: true,
  }
  return plist({
    PayloadType: 'Configuration',
    PayloadVersion: 1,
    PayloadIdentifier: identifier,
    PayloadUUID: id('profile'),
    PayloadDisplayName: `Mail: ${label}`,
    PayloadDescription: `Adds the mail account ${address} at ${hostname} to this device, by ${kind}.`,
    PayloadOrganization: hostname,
    PayloadRemovalDisallowed: false,
    PayloadContent: [account],
  })
}

/** The namespace of URLs: RFC 9562 §6.6. */
const URLS = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')

/** The same for the same name, so that a profile that is fetched again takes the place of the one before: RFC 9562 §5.5. */
function uuid(url: string): string {
  const octets = createHash('sha1').update(URLS).update(url, 'utf8').digest().subarray(0, 16)
  octets[6] = (octets[6]! & 0x0f) | 0x50
  octets[8] = (octets[8]! & 0x3f) | 0x80
  return octets
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    .toUpperCase()
}

const plist = (value: Value): string =>
  `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    written(value),
    '</plist>',
  ].join('\n')}\n`

function written(value: Value): string {
  if (typeof value === 'string') return `<string>${escaped(value)}</string>`
  if (typeof value === 'number') return `<integer>${value}</integer>`
  if (typeof value === 'boolean') return value ? '<true/>' : '<false/>'
  if (Array.isArray(value)) return ['<array>', ...value.map(written), '</array>'].join('\n')
  const entries = Object.entries(value).filter((entry): entry is [string, Value] => entry[1] !== undefined)
  return ['<dict>', ...entries.map(([key, one]) => `<key>${key}</key>\n${written(one)}`), '</dict>'].join('\n')
}
