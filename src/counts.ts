/**
 * What this process did since it began, in numbers that only rise, and how much of some things there is in it now. A count is an integer that goes up by one where the thing
 * happens: nothing is allocated, nothing is waited for. Labels are those that stand here; no address, domain or name of a user ever is one.
 */

/** By label: a number, or what the next label divides. */
export interface CountTree {
  readonly [label: string]: CountTree | number
}

const outcomes = () => ({ ok: 0, failed: 0, throttled: 0, unavailable: 0 })
const classes = () => ({ '4xx': 0, '5xx': 0 })
const stages = () => ({ sender: classes(), recipient: classes(), message: classes() })

export const counts = {
  /** Messages that were answered with 250, by service. */
  received: { mx: 0, submission: 0, submissions: 0 },
  /** MAIL, RCPT and texts of messages that were refused, by service, what it was, and the first digit of the answer. */
  refused: { mx: stages(), submission: stages(), submissions: stages() },
  /** Copies that came into mailboxes of people here, reports of ours among them. */
  delivered: { all: 0 },
  /** Attempts, by service and what came of them. */
  logins: { submission: outcomes(), submissions: outcomes(), imaps: outcomes(), pop3s: outcomes(), pop3: outcomes(), https: outcomes() },
  /** Recipients of the queue, each time that something came of one. */
  outgoing: { delivered: 0, deferred: 0, bounced: 0 },
  /** Connections to Postgres: that were not made, that were lost, that were not free in time. */
  database: { connect: 0, lost: 0, busy: 0 },
}

export type Counts = typeof counts

/** What there is of it now. */
export const levels = {
  /** Sessions that are in IDLE. */
  idle: 0,
  /** POP3 maildrops that are open. */
  maildrops: 0,
}

export type Levels = typeof levels

/** Of several processes. One of another version may have other labels: what all have in common with ours is summed. */
export const sumOf = (all: readonly Counts[]): Counts => summed(counts, all) as Counts

function summed(like: CountTree, all: readonly (CountTree | undefined)[]): CountTree {
  const sum: Record<string, CountTree | number> = {}
  for (const [label, mine] of Object.entries(like)) {
    const theirs = all.map((each) => each?.[label])
    if (typeof mine === 'number') sum[label] = theirs.reduce<number>((total, n) => total + (typeof n === 'number' ? n : 0), 0)
    else
      sum[label] = summed(
        mine,
        theirs.map((tree) => (typeof tree === 'object' ? tree : undefined)),
      )
  }
  return sum
}

/** The numbers with the labels that lead to each. */
export function leavesOf(tree: CountTree | number, path: readonly string[] = []): [labels: readonly string[], value: number][] {
  if (typeof tree === 'number') return [[path, tree]]
  return Object.entries(tree).flatMap(([label, below]) => leavesOf(below, [...path, label]))
}
