import { ANY_STATE, command } from '../command.ts'
import { Bad } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** RFC 2971 §3.3. */
const MAX_FIELDS = 30
const MAX_FIELD = 30
const MAX_VALUE = 1024
/** What of it goes to the log: enough to tell clients apart. */
const MAX_LOGGED = 64

/** ID: the client says what it is, for the log; we say what we are, without a version. RFC 2971. */
export const id = command({
  names: ['ID'],
  rfc: 'RFC 2971',
  states: ANY_STATE,
  sync: 'all',
  capability: 'ID',
  parse: (r) => (r.maybe('NIL') ? new Map<string, string>() : r.list(fields)),
  run(s, client) {
    const [name, version] = ['name', 'version'].map((field) => client.get(field)?.slice(0, MAX_LOGGED))
    if (name) s.log.info({ client: name, version }, 'imap client')
    s.out.untagged().word('ID').open().string('name').string('Postern').close().end()
    return { ok: 'ID completed' }
  },
})

function fields(r: ArgumentReader): Map<string, string> {
  const fields = new Map<string, string>()
  for (let n = 0; r.more; n++) {
    const field = r.string()
    const value = r.nstring()
    if (field.length > MAX_FIELD || (value?.length ?? 0) > MAX_VALUE || n >= MAX_FIELDS) throw new Bad('ID parameters too long')
    fields.set(field.toLowerCase(), value ?? '')
  }
  return fields
}
