/** Who sent a message, and whether its author's domain stands by it: as we say it of mail of others, and others of ours, with real DNS, in a network of its own. */
import { test } from 'node:test'
import { runInLab } from '../../faults/lab.ts'
import { netnsMissing } from '../../support/netns.ts'
import { missing } from '../../support/programs.ts'

const skip = netnsMissing || missing('postfix', 'knotd', 'unbound', 'opendkim', 'opendmarc', 'dkimsign', 'curl')

test('mail that Postfix brings is judged here, and ours there', { skip, timeout: 200_000 }, (t) =>
  runInLab(t, new URL('judged.lab.ts', import.meta.url), { hosts: [], form: 'short', within: 190_000 }),
)
