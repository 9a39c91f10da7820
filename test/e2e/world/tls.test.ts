/** Domains whose TLS is broken are told of it, though it is: reports on TLS through real servers, with real DNS and DNSSEC, in a network of its own. */
import { test } from 'node:test'
import { runInLab } from '../../faults/lab.ts'
import { netnsMissing } from '../../support/netns.ts'
import { missing } from '../../support/programs.ts'
import { eximMissing } from './exim.ts'

const skip = netnsMissing || missing('postfix', 'knotd', 'unbound', 'opendkim', 'curl', 'python3') || eximMissing

test('reports on TLS to Postfix and Exim', { skip, timeout: 120_000 }, (t) =>
  runInLab(t, new URL('tls.lab.ts', import.meta.url), { hosts: [], form: 'short', within: 110_000 }),
)
