import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN, noArguments } from '../command.ts'

/** NAMESPACE: one's own mail, and nothing else. RFC 2342, RFC 9051 §6.3.10. */
export const namespace = command({
  names: ['NAMESPACE'],
  rfc: 'RFC 2342',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'NAMESPACE',
  announce: LOGGED_IN,
  parse: noArguments,
  run(s) {
    s.out.untagged().word('NAMESPACE').open().open().string('').string(HIERARCHY_DELIMITER).close().close().nil().nil().end()
    return { ok: 'NAMESPACE completed' }
  },
})
