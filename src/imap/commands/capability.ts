import { ANY_STATE, command, noArguments } from '../command.ts'

/** CAPABILITY: what may be used in this state. RFC 9051 §6.1.1. */
export const capability = command({
  names: ['CAPABILITY'],
  rfc: 'RFC 9051 §6.1.1',
  states: ANY_STATE,
  sync: 'all',
  parse: noArguments,
  run(s) {
    const line = s.out.untagged().word('CAPABILITY')
    for (const name of s.capabilities()) line.word(name)
    line.end()
    return { ok: 'CAPABILITY completed' }
  },
})
