import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** The largest message that APPEND takes, the same for every mailbox. RFC 7889; what is larger gets NO [TOOBIG] in commands/append.ts. */
export const appendlimit = extension({
  capability: 'APPENDLIMIT',
  rfc: 'RFC 7889',
  announce: LOGGED_IN,
  shown: ({ messageSize }) => `APPENDLIMIT=${messageSize}`,
  adds: { statusItems: new Map([['APPENDLIMIT', (line, _, s) => void line.number(s.services.limits.messageSize)]]) },
})
