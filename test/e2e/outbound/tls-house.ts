/** A queue whose connections are counted, a peer for it, and a web server for policies: what the tests of reports on TLS begin with. */
import { after, afterEach, before, beforeEach } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { stsPolicies } from '../../../src/smtp/outbound/mta-sts/policies.ts'
import { createTlsPolicy, type TlsPolicyOptions } from '../../../src/smtp/outbound/policy.ts'
import { TlsTally } from '../../../src/smtp/outbound/tls-report/tally.ts'
import type { TlsCount } from '../../../src/store/tls-sessions.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type House, outboundHouse } from './house.ts'
import { type Peer, startPeer, type Zone } from './peer.ts'
import { type PolicyHost, startPolicyHost } from './policy-host.ts'

export const root = makeAuthority()
export const good = root.give({ names: ['mx.x.test'] })
export const here: Zone = { A: ['127.0.0.1'], secure: true }
export const TODAY = new Date().toISOString().slice(0, 10)
export const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)

/** Of yesterday, without a policy, and well. */
export const done = (more: Partial<TlsCount> = {}): TlsCount => ({
  ...{ day: YESTERDAY, reason: '', sendingIp: '', mxHost: '', receivingIp: '', sessions: 1 },
  policy: { mailDomain: 'x.test', type: 'no-policy-found', domain: 'x.test', strings: [], mx: [] },
  ...more,
})

/** For the tests of one file; x.test has the peer for its host. */
export function tlsHouse() {
  let house: House
  let peer: Peer
  let web: PolicyHost
  const stops: (() => Promise<unknown>)[] = []
  before(async () => {
    house = await outboundHouse()
  })
  after(() => house?.close())
  beforeEach(async () => {
    peer = await startPeer({ pem: good })
    web = await startPolicyHost(root.give({ names: ['mta-sts.x.test'] }))
    for (const name of Object.keys(house.dns.zones)) delete house.dns.zones[name]
    Object.assign(house.dns.zones, { 'x.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }], secure: true }, 'mx.x.test': here })
  })
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
    await Promise.all([peer.close(), web.close()])
    for (const table of ['queue', 'outbound', 'queue_domain', 'mta_sts', 'tls_session', 'tls_report', 'op']) await house.sql(`delete from ${table}`)
  })
  return {
    stops,
    get house() {
      return house
    },
    get peer() {
      return peer
    },
    get web() {
      return web
    },
    /** A worker whose sessions are counted; what it counted is written when it stops. */
    counting(more: Partial<TlsPolicyOptions> = {}) {
      const { dns, stsPolicies: policies, tlsSessions: sessions } = house
      const log = silentLog()
      const policyOf = stsPolicies({ dns, policies, privateAddresses: true, port: web.port, ca: root.cert, log })
      const tlsPolicy = createTlsPolicy({ dns, policyOf, ca: root.cert, log, ...more })
      const tally = new TlsTally({ sessions, privateAddresses: true, log })
      const route = { dns, hostname: 'us.test', privateAddresses: true, port: peer.port, relayFor: () => undefined, tlsPolicy }
      const worker = house.work(peer.port, { route, onTls: (session) => tally.note(session) })
      return {
        async stop() {
          await worker.stop(0)
          await tally.stop()
        },
      }
    },
    /** What was counted for a domain. */
    counts: (domain = 'x.test', day = TODAY) => house.tlsSessions.of({ day, domain, address: '-', tries: 1, epoch: 1, interrupted: false }),
  }
}
