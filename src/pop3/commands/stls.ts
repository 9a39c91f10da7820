import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { Bad, No } from '../reply.ts'

/** STLS: TLS on the port that begins without. RFC 2595 §4. What was sent in the clear behind it was not written by the client that speaks TLS: it ends the connection. */
export const stls = command({
  name: 'STLS',
  rfc: 'RFC 2595 §4',
  states: ['authorization'],
  beforeTls: true,
  capability: ({ secure }) => (secure ? [] : 'STLS'),
  parse: noArgument,
  run({ secure, lines, log }) {
    if (secure) throw new Bad('TLS is up already')
    if (lines.detach().length > 0) {
      log.warn('octets in the clear behind STLS')
      throw new No('Nothing may follow STLS before the handshake', { end: true })
    }
    return { ok: 'Begin the handshake', startTls: true }
  },
})
