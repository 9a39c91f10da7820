/** The first start: a config file with everything explained, one domain, one mailbox, a password that nobody has to think up. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname as machineName } from 'node:os'
import { dirname } from 'node:path'
import { hashPassword } from '../auth/password.ts'
import { formatVerifier, makeVerifier, newSalting } from '../auth/scram.ts'
import { firstConfig } from '../config/template.ts'
import { faultOf } from '../file-faults.ts'
import { canonical, canonicalDomain, domainOf } from '../mail/address.ts'
import { generatePassword, keepFirstPassword } from './passwords.ts'
import { Refused } from './refused.ts'

export interface FirstNames {
  readonly hostname: string
  readonly domain: string
  readonly address: string
}

/** Reserved for examples and tests (RFC 2606 §2): it is nobody's, so no mail of others can come here by mistake. */
const NO_DOMAIN = 'example.test'
const FIRST_USER = 'me'
/** Endings of names that mean something in this network only. */
const LOCAL_ENDINGS = /\.(?:local|localdomain|lan|home|internal|home\.arpa|intranet|corp)$/

/**
 * `mail.example.org` is the host of `example.org`; a bare name or one of this network only tells nothing. An address that was asked for decides its domain.
 * Throws Refused for an address that is none.
 */
export function firstNames(machine: string, wanted: string | undefined): FirstNames {
  const host = canonicalDomain(machine.replace(/\.$/, ''))
  const known = host?.includes('.') && !host.startsWith('[') && !/\.\d+$/.test(host) && !LOCAL_ENDINGS.test(host) ? host : undefined
  if (wanted !== undefined) {
    const address = canonical(wanted)
    if (address === undefined) throw new Refused(`--mailbox: "${wanted}" is no address such as ann@example.org.`)
    const domain = domainOf(address)
    return { hostname: known?.endsWith(`.${domain}`) || known === domain ? known : `mail.${domain}`, domain, address }
  }
  if (!known) return { hostname: `mail.${NO_DOMAIN}`, domain: NO_DOMAIN, address: `${FIRST_USER}@${NO_DOMAIN}` }
  const labels = known.split('.')
  const domain = labels.length > 2 ? labels.slice(1).join('.') : known
  return { hostname: known, domain, address: `${FIRST_USER}@${domain}` }
}

export interface FirstStart {
  readonly configFile: string
  readonly dataDir: string
  readonly mailbox?: string | undefined
  /** Lines of YAML for its end. */
  readonly more?: string | undefined
  readonly machine?: string
}

/** Writes the config file if there is none. true: it did. Throws Refused where it may not. */
export async function writeFirstConfig(o: FirstStart): Promise<boolean> {
  if (existsSync(o.configFile)) return false
  const names = firstNames(o.machine ?? machineName(), o.mailbox)
  const password = generatePassword()
  const verifier = await makeVerifier(password, newSalting())
  const text = firstConfig({ ...names, passwordHash: await hashPassword(password), scram: verifier && formatVerifier(verifier) })
  keepFirstPassword(o.dataDir, { address: names.address, password, shown: false })
  try {
    mkdirSync(dirname(o.configFile), { recursive: true })
    writeFileSync(o.configFile, o.more === undefined ? text : `${text}\n${o.more.trim()}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new Refused(`The first config cannot be written: ${faultOf(cause)}. Its folder must be this user's.`)
  }
  return true
}
