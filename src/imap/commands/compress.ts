import { command, LOGGED_IN } from '../command.ts'
import { Bad, No } from '../reply.ts'

/** COMPRESS: DEFLATE both ways, from behind the tagged OK on. Not before login: no stranger makes us work. RFC 4978. */
export const compress = command({
  names: ['COMPRESS'],
  rfc: 'RFC 4978',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'COMPRESS=DEFLATE',
  announce: LOGGED_IN,
  parse: (r) => {
    if (r.word() !== 'DEFLATE') throw new Bad('Unknown compression mechanism')
  },
  run({ exchange }) {
    if (exchange.compressed) throw new No('COMPRESSIONACTIVE', 'DEFLATE is active already')
    return { ok: 'DEFLATE active', afterwards: () => exchange.compress() }
  },
})
