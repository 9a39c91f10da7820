import { command } from '../command.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** ENABLE: turns on extensions that change what the server sends; others are passed over. Before a mailbox is selected. RFC 5161. */
export const enable = command({
  names: ['ENABLE'],
  rfc: 'RFC 5161',
  states: ['authenticated'],
  sync: 'none',
  capability: 'ENABLE',
  parse: (r) => capabilities(r),
  run(s, asked) {
    const line = s.out.untagged().word('ENABLED')
    const before = new Set(s.enabled)
    for (const name of asked) {
      s.enable(name)
      // Another one of this command may have brought it.
      if (s.enabled.has(name) && !before.has(name)) line.word(name)
    }
    line.end()
    return { ok: 'ENABLE completed' }
  },
})

function capabilities(r: ArgumentReader): Set<string> {
  const names = new Set([r.word()])
  while (r.more) names.add(r.word())
  return names
}
