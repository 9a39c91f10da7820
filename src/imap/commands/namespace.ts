import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN, noArguments } from '../command.ts'
import type { ResponseWriter } from '../wire/write.ts'

/** NAMESPACE: one's own mail, that of other users, and that of nobody in particular; NIL where there is none. RFC 2342, RFC 9051 §6.3.10. */
export const namespace = command({
  names: ['NAMESPACE'],
  rfc: 'RFC 2342',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'NAMESPACE',
  announce: LOGGED_IN,
  parse: noArguments,
  async run(s) {
    const { others, shared } = await s.store.namespaces(s.access)
    const line = s.out.untagged().word('NAMESPACE')
    for (const prefix of ['', others, shared]) write(line, prefix)
    line.end()
    return { ok: 'NAMESPACE completed' }
  },
})

function write(line: ResponseWriter, prefix: string | undefined): void {
  if (prefix === undefined) line.nil()
  else line.open().open().mailbox(prefix).string(HIERARCHY_DELIMITER).close().close()
}
