/** The certificate that comes by ACME: whether it does, and why not. */
import { X509Certificate } from 'node:crypto'
import type { Config } from '../../config/schema.ts'
import { renewalOf } from '../../serve/acme/due.ts'
import { KINDS } from '../../serve/kinds.ts'
import type { AcmeState } from '../../store/acme.ts'
import { about, type Finding } from './check.ts'

export interface AcmeFacts {
  /** What the database has of this host; undefined: nothing. */
  readonly state: AcmeState | undefined
  /** Where the listener `https` is; undefined: none is known to run here. */
  readonly port: number | undefined
}

export function acmeFindings({ tls }: Pick<Config, 'tls'>, { state, port }: AcmeFacts, now = Date.now()): Finding[] {
  const { acme } = tls ?? {}
  if (!acme) return []
  const { ok, warning, wrong } = about('ACME')
  if (!state) return [wrong('nobody has ordered a certificate for this host: does a server of this "hostname" with the role "queue" run?')]
  const { certificate, failures, trouble, nextTry, refused } = state
  const leaf = certificate && new X509Certificate(certificate.chain)
  const findings: Finding[] = []
  const { standard } = KINDS.https
  if (port !== undefined && port !== standard)
    findings.push(warning(`the listener https is at port ${port}, and authorities come to ${standard} only: something has to forward that port`))
  if (failures > 0) {
    const said = `${failures === 1 ? 'an attempt' : `${failures} attempts in a row`} failed, the last one with "${trouble}"; the next is ${nextTry > now ? `after ${new Date(nextTry).toISOString()}` : 'due now'}`
    findings.push((leaf && now < renewalOf(leaf) ? warning : wrong)(said))
  } else if (!certificate || !leaf) findings.push(warning('the first order is under way, or begins soon: see the log'))
  else if (certificate.directory !== acme.directory)
    findings.push(warning(`the certificate is still that of ${hostOf(certificate.directory)}: does a server with the role "queue" run?`))
  else if (now > renewalOf(leaf)) findings.push(warning('its renewal is due: does a server with the role "queue" run?'))
  else
    findings.push(
      ok(`the certificate from ${hostOf(certificate.directory)} is renewed from ${new Date(renewalOf(leaf)).toISOString().slice(0, 10)} on`),
    )
  for (const { name, why, until } of refused)
    findings.push(warning(`${name} is left out until ${new Date(until).toISOString()}, since it could not be proved: ${why}`))
  return findings
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url)
