/** Mail to and from servers that others wrote, with real DNS and DNSSEC, in a network of its own. */
import { test } from 'node:test'
import { runInLab } from '../../faults/lab.ts'
import { netnsMissing } from '../../support/netns.ts'
import { missing } from '../../support/programs.ts'
import { eximMissing } from './exim.ts'

const skip = netnsMissing || missing('postfix', 'knotd', 'unbound', 'opendkim', 'curl') || eximMissing

test('mail to and from Postfix and Exim', { skip, timeout: 200_000 }, (t) =>
  runInLab(t, new URL('world.lab.ts', import.meta.url), { hosts: [], form: 'short', within: 110_000 }),
)
