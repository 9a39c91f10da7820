import { command, LOGGED_IN } from '../command.ts'
import { checkRoot, writeQuota } from '../quota.ts'

/** GETQUOTA: what a quota root uses and may use. RFC 9208 §4.1.1. */
export const getquota = command({
  names: ['GETQUOTA'],
  rfc: 'RFC 9208 §4.1.1',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'QUOTA',
  announce: LOGGED_IN,
  parse: (r) => r.astring(),
  async run(s, root) {
    const { used, limit } = await s.store.quota(s.access)
    checkRoot(root, limit)
    writeQuota(s, used, limit)
    return { ok: 'GETQUOTA completed' }
  },
})
