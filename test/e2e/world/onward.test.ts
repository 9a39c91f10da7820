/** What is forwarded and what lists send on, as other servers see it: seals that hold, bounces that find their way back; with real DNS, in a network of its own. */
import { test } from 'node:test'
import { runInLab } from '../../faults/lab.ts'
import { netnsMissing } from '../../support/netns.ts'
import { missing } from '../../support/programs.ts'
import { eximMissing } from './exim.ts'

const skip = netnsMissing || missing('postfix', 'knotd', 'unbound', 'opendkim', 'opendmarc', 'rspamd', 'arcverify', 'curl') || eximMissing

test('mail from Exim through here to Postfix', { skip, timeout: 200_000 }, (t) =>
  runInLab(t, new URL('onward.lab.ts', import.meta.url), { hosts: [], form: 'short', within: 190_000 }),
)
