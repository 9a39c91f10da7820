/** What is known of commands by their first word, and of the lines that answer AUTH's challenges. */

/** Commands that do nothing for the client's mail, so they are rationed. */
export const IDLE_TALK: ReadonlySet<string> = new Set(['NOOP', 'RSET', 'HELP', 'VRFY', 'HELO', 'EHLO'])
/** A message whose last chunk has not come is no more after these. RFC 3030 §2. */
export const ENDS_MESSAGE: ReadonlySet<string> = new Set(['RSET', 'EHLO', 'HELO', 'STARTTLS'])
/** All that may be said before TLS where a login is needed. RFC 3207 §4. */
export const BEFORE_TLS: ReadonlySet<string> = new Set(['EHLO', 'HELO', 'STARTTLS', 'NOOP', 'RSET', 'QUIT', 'HELP', 'VRFY'])
/** What a browser, or a proxy that nobody asked for, says first. */
const FOREIGN = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PATCH', 'PROXY'])
/** Longer ones are none that we know. */
const MAX_VERB = 16

/** In upper case. */
export function verbOf(command: Buffer): string {
  const space = command.indexOf(0x20)
  return command.toString('latin1', 0, Math.min(space < 0 ? command.length : space, MAX_VERB)).toUpperCase()
}

/** The first word of another protocol. */
export const isForeign = (verb: string): boolean => FOREIGN.has(verb) || verb.startsWith('SSH-')

/** Strict base64 (RFC 4648 §4), `=` for an empty response and `*` for giving up (RFC 4954 §4). */
export function isBase64(text: string): boolean {
  return text === '*' || text === '=' || (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text))
}
