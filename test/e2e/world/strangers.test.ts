/** Clients that are listed, or not known: with real lists in a DNS of Knot's, a Postfix that comes again, and senders with pools of addresses; in a network of its own. */
import { test } from 'node:test'
import { runInLab } from '../../faults/lab.ts'
import { netnsMissing } from '../../support/netns.ts'
import { missing } from '../../support/programs.ts'

const skip = netnsMissing || missing('postfix', 'knotd', 'unbound', 'swaks', 'curl')

test('lists and greylisting, as the world meets them', { skip, timeout: 120_000 }, (t) =>
  runInLab(t, new URL('strangers.lab.ts', import.meta.url), { hosts: [], form: 'short', within: 110_000 }),
)
