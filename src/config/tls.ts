/** The section `tls`: a certificate in files, or one that comes by ACME and is renewed by itself. */
import { z } from 'zod'
import { section } from './limits.ts'

export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'
/** Of one certificate Let's Encrypt takes 100 names. */
const MAX_NAMES = 50

const said = (expected: string) => ({ error: expected })
const text = (expected: string) => z.string(said(expected)).min(1, said(expected))
const AGREED = "true: certificates are only for those who agree to the authority's terms of service"
const DIRECTORY = `the https:// URL of an ACME directory, such as ${LETS_ENCRYPT}`

const isDirectory = (value: string): boolean => URL.canParse(value) && new URL(value).protocol === 'https:' && new URL(value).username === ''

/** `domain` and `address` read the canonical form of one. */
export const tlsSection = <D extends z.ZodType<string>, A extends z.ZodType<string>>(domain: D, address: A) =>
  section({
    cert: text('the path of a PEM certificate chain'),
    key: text('the path of its PEM key'),
    acme: section({
      agree_terms: z.literal(true, said(AGREED)),
      email: address.optional(),
      directory: text(DIRECTORY).refine(isDirectory, said(DIRECTORY)).default(LETS_ENCRYPT),
      ca: text('the path of a PEM file with the authority that the ACME server itself is trusted by').optional(),
      external_account: section({
        kid: text('the key identifier that the authority gave'),
        hmac_file: text('the path of a file that holds the HMAC key that the authority gave'),
      }).optional(),
      names: z
        .array(domain, said('a list of host names'))
        .max(MAX_NAMES, said(`a list of at most ${MAX_NAMES} host names`))
        .default([]),
    }),
  })
    .partial()
    .optional()

/** Why the three do not go together; undefined: they do. */
export function tlsTrouble({ cert, key, acme }: { cert?: string | undefined; key?: string | undefined; acme?: unknown }): string | undefined {
  if (acme !== undefined) return cert === undefined && key === undefined ? undefined : 'tls has acme and a certificate in files: keep one of them'
  if (cert !== undefined && key !== undefined) return undefined
  if (cert === undefined && key === undefined) return 'tls needs cert and key, or acme'
  return `tls has ${cert === undefined ? 'key' : 'cert'} and no ${cert === undefined ? 'cert' : 'key'}: it needs both, or acme instead`
}
