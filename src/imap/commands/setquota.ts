import { command, LOGGED_IN } from '../command.ts'
import { checkRoot } from '../quota.ts'
import { No } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** SETQUOTA: refused, since the configuration sets quotas; so QUOTASET is not announced. RFC 9208 §4.1.3. */
export const setquota = command({
  names: ['SETQUOTA'],
  rfc: 'RFC 9208 §4.1.3',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'QUOTA',
  announce: LOGGED_IN,
  parse: (r) => ({ root: r.astring(), limits: r.list(resources) }),
  async run(s, { root }) {
    const { limit } = await s.store.quota(s.access)
    checkRoot(root, limit)
    throw new No('NOPERM', 'Quotas are set in the configuration of the server')
  },
})

/** Throws Bad. */
function resources(r: ArgumentReader): Map<string, number> {
  const limits = new Map<string, number>()
  while (r.more) limits.set(r.word(), r.number64())
  return limits
}
