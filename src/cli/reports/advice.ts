/** What a report means, and what to change. */
import type { DmarcSummary, SourceSummary } from './summary.ts'

/** Of a source of mail in the name of a domain. undefined: nothing is to be said. */
export function sourceWords({ source, own, messages, failed, dkim, spf, overridden, others }: SourceSummary, domain: string): string | undefined {
  if (source === '') return failed > 0 ? 'many addresses that were too many to be kept one by one' : undefined
  if (own && failed > 0)
    return `this host: its mail has to pass, and does not. "postern doctor ${domain}" says which record is amiss; "postern dkim list" whether it is signed`
  if (own && dkim < messages / 2)
    return `this host: only SPF makes it pass, so it fails where it is forwarded. Have it signed: postern dkim add ${domain}`
  if (failed === 0) return spf < messages / 2 && !own ? 'forwarded, or a service that signs for you: passes by DKIM, nothing to do' : undefined
  if (overridden >= failed / 2) return 'a forwarder or mailing list that the receiver knows: taken all the same, nothing to do'
  if (others.size > 0)
    return `proves to be ${[...others].join(', ')} and not ${domain}: if that is a service of yours, have it sign as ${domain}, or put it into SPF; if not, it forwards your mail or uses your name`
  return `nothing proves it yours: a forger, which the policy is for, or a device or service of yours that sends by itself and has to use this host or DKIM`
}

/** Of the policy as a whole. */
export function policyWords({ policy, messages, failed, sources }: DmarcSummary): string | undefined {
  if (messages < 20) return undefined
  const owned = sources.some(({ own, failed: n }) => own && n > 0)
  if (policy === 'p=none')
    return owned
      ? 'p=none protects nobody. Mend what fails from this host first, then make it p=quarantine.'
      : 'p=none protects nobody. If no source below that fails is yours, make it p=quarantine.'
  if (policy === 'p=quarantine' && !owned)
    return failed === 0
      ? 'Everything passes: p=reject loses nothing.'
      : 'If no source below that fails is yours, p=reject loses nothing, and forged mail is refused instead of junked.'
  return undefined
}

export const DISPOSITIONS: ReadonlyMap<string, string> = new Map([
  ['none', 'taken'],
  ['pass', 'taken, as they passed'],
  ['quarantine', 'junked'],
  ['reject', 'refused'],
  ['unknown', 'no word of what was done'],
])

const CERTIFICATE = 'See "tls" in the config, and "postern doctor".'
/** By result type: RFC 8460 §4.3. */
const RESULTS: ReadonlyMap<string, string> = new Map([
  ['starttls-not-supported', 'STARTTLS was not offered to them: something between takes it away, or the MX names another server than this one.'],
  ['certificate-host-mismatch', `The certificate is not for the name in the MX record. ${CERTIFICATE}`],
  ['certificate-expired', `The certificate had run out: have it renewed in time. ${CERTIFICATE}`],
  [
    'certificate-not-trusted',
    `They do not know who signed the certificate, or its chain is not whole: "tls.cert" needs the authority’s certificates too. ${CERTIFICATE}`,
  ],
  ['validation-failure', `The TLS handshake failed for a reason that they do not name more closely. ${CERTIFICATE}`],
  ['tlsa-invalid', 'The TLSA record is not that of the key in use: compare it with "postern dns". A new key needs its record two days ahead.'],
  ['dnssec-invalid', 'DNSSEC of the zone is broken: its records cannot be believed, and mail waits. Ask who serves the zone.'],
  [
    'dane-required',
    'They send only to hosts with TLSA records that DNSSEC proves, and found none: sign the zone and take the TLSA record of "postern dns".',
  ],
  ['sts-policy-fetch-error', 'The MTA-STS policy could not be fetched: its web server was away, or https://mta-sts.… has no valid certificate.'],
  ['sts-policy-invalid', 'The MTA-STS policy makes no sense to them: compare it with "postern dns".'],
  ['sts-webpki-invalid', 'The web server of the MTA-STS policy has no valid certificate for mta-sts.….'],
])

export const tlsWords = (result: string): string => RESULTS.get(result) ?? 'A failure that RFC 8460 does not know; they may say more.'
