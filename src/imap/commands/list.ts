import type { MailboxInfo } from '../../store/mailstore.ts'
import { HIERARCHY_DELIMITER, MAX_MAILBOX_NAME, MAX_MAILBOXES } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { attributes, FLUSH_AT, type Listed, type Names, namesOf, readOptions, select, writeListed } from '../listing.ts'
import { MAX_WILDCARDS, matcher } from '../mailbox-names.ts'
import { Bad, No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import type { ListReturn, ListSelection, Tables } from '../tables.ts'
import { canonicalName } from '../wire/mutf7.ts'
import type { ArgumentReader } from '../wire/read.ts'

interface ListArgs {
  readonly selection: ListSelection
  readonly patterns: readonly string[]
  readonly returns: ListReturn
  /** Anything of RFC 5258 was used. */
  readonly extended: boolean
}

/** Patterns in one command: as many as a client may have mailboxes. */
const MAX_PATTERNS = MAX_MAILBOXES
/** Characters of those with wildcards, where there are several: every name is compared with each, and all together may cost what one may. */
const MAX_WILD = MAX_MAILBOX_NAME + MAX_WILDCARDS

/** LIST: the names that a pattern wants, in IMAP4rev1's form and in that of RFC 5258. RFC 9051 §6.3.9, attributes: RFC 6154, RFC 3348. */
export const list = command({
  names: ['LIST'],
  rfc: 'RFC 9051 §6.3.9',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r, _, tables) => parse(r, tables),
  async run(s, { selection, patterns, returns, extended }) {
    // Only here an empty pattern means something: it asks for the delimiter.
    if (!extended && patterns[0] === '') s.out.untagged().word('LIST').flags(['\\Noselect']).string(HIERARCHY_DELIMITER).mailbox('').end()
    else {
      const wanted = anyOf(patterns.filter((pattern) => pattern !== ''))
      const names = await namesOf(s, { subscriptions: selection.subscribed === true || returns.subscribed === true })
      const found = await select(names, selection, wanted)
      await write(s, { found, names }, { selection, patterns, returns, extended })
    }
    return { ok: 'LIST completed' }
  },
})

function parse(r: ArgumentReader, tables: Tables): ListArgs {
  const { listSelections, listReturns } = tables
  const isExtended = listSelections.size > 0
  const before = isExtended && r.next === 'list'
  const selection = before ? readOptions(r, listSelections, tables) : {}
  if (selection.recursive && !selection.subscribed && !selection.specialUse) throw new Bad('RECURSIVEMATCH goes with another selection')
  const reference = r.mailbox()
  const several = isExtended && r.next === 'list'
  const patterns = several ? r.list(patternList) : [r.pattern()]
  const behind = listReturns.size > 0 && r.maybe('RETURN')
  const returns = behind ? readOptions(r, listReturns, tables) : {}
  const extended = before || several || behind
  // In the extended form an empty pattern is passed over, whatever the reference (RFC 5258 §3).
  return { selection, patterns: patterns.map((pattern) => (pattern === '' ? '' : reference + pattern)), returns, extended }
}

function patternList(r: ArgumentReader): string[] {
  const patterns = [r.pattern()]
  while (r.more) patterns.push(r.pattern())
  if (patterns.length > MAX_PATTERNS) throw new Bad('Too many patterns')
  return patterns
}

/** Throws No where they cost too much. */
function anyOf(patterns: readonly string[]): (name: string) => boolean {
  const isWild = (pattern: string): boolean => /[*%]/.test(pattern)
  const wild = patterns.filter(isWild)
  if (wild.length > 1 && wild.reduce((sum, pattern) => sum + pattern.length, 0) > MAX_WILD) throw new No('LIMIT', 'Too many wildcards')
  const exact = new Set(patterns.filter((pattern) => !isWild(pattern)).map(canonicalName))
  const matchers = wild.map(matcher)
  return (name) => exact.has(name) || matchers.some((matches) => matches(name))
}

async function write(
  s: AuthenticatedSession,
  { found, names }: { readonly found: readonly Listed[]; readonly names: Names },
  { selection, returns, extended }: ListArgs,
): Promise<void> {
  const { out } = s
  const mailboxes = found.flatMap(({ mailbox }) => mailbox ?? [])
  const behind: ((mailbox: MailboxInfo) => void)[] = []
  for (const say of Object.values({ ...returns })) if (typeof say === 'function') behind.push(await say(s, mailboxes))
  const bySelection = [selection.subscribed && 'SUBSCRIBED', selection.specialUse && 'SPECIAL-USE'].filter((name) => typeof name === 'string')
  const saysSubscribed = selection.subscribed === true || returns.subscribed === true
  for (const { name, mailbox, childInfo } of found) {
    // Who did not use RFC 5258 may not know \NonExistent, which implies \Noselect.
    const words = mailbox ? [] : [extended ? '\\NonExistent' : '\\Noselect']
    words.push(...attributes(s, name, names))
    if (saysSubscribed && names.subscribed.has(name)) words.push('\\Subscribed')
    writeListed(out, 'LIST', name, words)
    if (childInfo) writeChildInfo(s, bySelection)
    out.end()
    if (mailbox) for (const say of behind) say(mailbox)
    if (out.output.queued >= FLUSH_AT) await out.flush()
  }
}

/** `("CHILDINFO" ("SUBSCRIBED"))`: what is below satisfies these. RFC 5258 §3.5. */
function writeChildInfo({ out }: AuthenticatedSession, selections: readonly string[]): void {
  out.open().string('CHILDINFO').open()
  for (const name of selections) out.string(name)
  out.close().close()
}
