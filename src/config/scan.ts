/** The section `scan`: programs that look at mail while it comes in. */
import { z } from 'zod'
import { DMARC_ACTIONS as ACTIONS, byDomain } from './inbound.ts'
import { section } from './limits.ts'
import { size } from './units.ts'

const said = (expected: string) => ({ error: expected })
const text = (expected: string) => z.string(said(expected)).min(1, said(expected))
const PORT = 'a port number, 1 to 65535'
const URL_OF_RSPAMD = 'the URL of rspamd, such as http://127.0.0.1:11333'

function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, username, password, search, hash } = new URL(value)
  return ['http:', 'https:'].includes(protocol) && username + password + search + hash === ''
}

/** `canonical`: the form of a domain that is compared. */
export function scanSection(canonical: (text: string) => string | undefined) {
  const action = z.enum(ACTIONS, said(`one of ${ACTIONS.join(', ')}`))
  const common = {
    action: action.default('reject'),
    domains: byDomain(action, canonical).default({}),
    max_size: size.default(25 * 2 ** 20),
    on_failure: z.enum(['accept', 'defer'], said('accept or defer')).default('accept'),
  }
  return section({
    rspamd: section({
      url: text(URL_OF_RSPAMD).refine(isPlainUrl, said(`${URL_OF_RSPAMD}, without a password or a query`)),
      password: text('a password').optional(),
      password_file: text('the path of a file that holds the password').optional(),
      submission: z.boolean(said('true or false')).default(false),
      ...common,
    }).optional(),
    clamav: section({
      host: text('the name or address of the host where clamd is').optional(),
      port: z.int(said(PORT)).min(1, said(PORT)).max(65_535, said(PORT)).default(3310),
      socket: text('the path of clamd’s socket').optional(),
      ...common,
    }).optional(),
  }).optional()
}
