/** Names of a domain's that lead mail programs to the web service of its mail host. */
import type { Setting } from './setting.ts'

/** The port that everybody who looks for one of these names asks. */
export const WEB_PORT = 443

/** Thunderbird and K-9; Outlook. */
export const SETUP_NAMES = ['autoconfig', 'autodiscover'] as const

/** Whether the web service of this host is where others look for it. */
export const hasWeb = ({ ports }: Pick<Setting, 'ports'>): boolean => ports.get('https') === WEB_PORT

/** Those of these names that the certificate is not for: who comes by them is warned, or goes away. */
export const uncovered = (names: readonly string[], { certificate }: Pick<Setting, 'certificate'>): string[] =>
  certificate && !certificate.selfSigned ? names.filter((name) => certificate.leaf.checkHost(name) === undefined) : [...names]

/** Those of them that somebody has to have the certificate made for: by ACME it comes for all that the DNS leads here. */
export const toBeAdded = (names: readonly string[], setting: Pick<Setting, 'certificate' | 'config'>): string[] =>
  setting.config.tls?.acme ? [] : uncovered(names, setting)

export const namesOf = (labels: readonly string[], domain: string): string[] => labels.map((label) => `${label}.${domain}`)
