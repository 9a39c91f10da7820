/** What THREAD says of messages that are made of a few fields: for tests without a database. */

import { OPEN_GATE } from '../../src/imap/search/context.ts'
import { ALL } from '../../src/imap/search/index-keys.ts'
import { runSearch } from '../../src/imap/search/run.ts'
import type { ThreadAlgorithm } from '../../src/imap/search/thread/algorithm.ts'
import { writeThreads } from '../../src/imap/search/thread/write.ts'
import { ResponseWriter } from '../../src/imap/wire/write.ts'
import { Work } from '../../src/imap/work.ts'
import { keptOutput, MadeMailbox, type MadeMessage } from './messages.ts'

export interface Mail {
  readonly id?: string | undefined
  readonly refs?: readonly string[]
  readonly replyTo?: string
  readonly subject?: string
  /** Minutes. */
  readonly at?: number
}

const made = (mails: readonly Mail[]): MadeMessage[] =>
  mails.map(({ id, refs, replyTo, subject, at = 0 }, i) => {
    const lines = [`Date: ${new Date(at * 60_000).toUTCString().replace('GMT', '+0000')}`]
    if (id) lines.push(`Message-ID: <${id}@x>`)
    if (refs) lines.push(`References: ${refs.map((ref) => `<${ref}@x>`).join('\r\n ')}`)
    if (replyTo) lines.push(`In-Reply-To: <${replyTo}@x>`)
    if (subject !== undefined) lines.push(`Subject: ${subject}`)
    // A content id is all that the kept keys are found by: no two mailboxes of these tests may share one.
    return { uid: (uids += 1), raw: Buffer.from([...lines, '', `${i}`, ''].join('\r\n')) }
  })
let uids = 0

export async function threads(mails: readonly Mail[], algorithm: ThreadAlgorithm): Promise<string> {
  const box = new MadeMailbox(made(mails))
  const kept = keptOutput()
  const work = new Work({ output: kept.output, ending: new AbortController().signal })
  const context = { store: box.store, selected: box.selected, gate: OPEN_GATE, work }
  const found = await runSearch(context, ALL)
  await writeThreads(new ResponseWriter(kept.output), await algorithm(context, found), found.msns, work)
  return (await kept.text()).trim()
}
