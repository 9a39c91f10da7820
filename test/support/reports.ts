/** Reports as large receivers send them, in shape: made up from public descriptions of what these look like. */
import { deflateRawSync, gzipSync } from 'node:zlib'

export interface MadeRecord {
  readonly ip?: string
  readonly count?: number
  readonly disposition?: string
  readonly dkim?: string
  readonly spf?: string
  readonly from?: string
  readonly reason?: string
  /** `domain result`. */
  readonly signatures?: readonly string[]
  readonly path?: string
}

export interface MadeReport {
  readonly org?: string
  readonly id?: string
  readonly domain?: string
  readonly policy?: string
  /** Days ago that it ended. */
  readonly age?: number
  readonly records?: readonly MadeRecord[]
  /** Of the root element. */
  readonly attributes?: string
  readonly version?: string
}

const DAY = 86_400
const midnight = (daysAgo: number): number => (Math.floor(Date.now() / 1000 / DAY) - daysAgo) * DAY

const split = (text: string): string[] => text.split(' ')

function recordXml({
  ip = '192.0.2.1',
  count = 1,
  disposition = 'none',
  dkim = 'pass',
  spf = 'pass',
  from = 'example.test',
  ...more
}: MadeRecord): string {
  const signatures = (more.signatures ?? [`${from} ${dkim}`]).map(split)
  const [path, result] = split(more.path ?? `${from} ${spf}`)
  return `  <record>
    <row>
      <source_ip>${ip}</source_ip>
      <count>${count}</count>
      <policy_evaluated>
        <disposition>${disposition}</disposition>
        <dkim>${dkim}</dkim>
        <spf>${spf}</spf>${more.reason ? `\n        <reason><type>${more.reason}</type><comment>arc=pass</comment></reason>` : ''}
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>${from}</header_from>
    </identifiers>
    <auth_results>
${signatures.map(([domain, result]) => `      <dkim><domain>${domain}</domain><result>${result}</result><selector>k</selector></dkim>`).join('\n')}
      <spf><domain>${path}</domain><result>${result}</result></spf>
    </auth_results>
  </record>
`
}

/** XML of RFC 7489 appendix C. */
export function dmarcXml({
  org = 'google.com',
  id = '1234',
  domain = 'example.test',
  policy = 'reject',
  age = 1,
  records = [{}],
  attributes = '',
  version = '',
}: MadeReport = {}): string {
  return `<?xml version="1.0" encoding="UTF-8" ?>
<feedback${attributes}>${version}
  <report_metadata>
    <org_name>${org}</org_name>
    <email>noreply@${org}</email>
    <extra_contact_info>https://support.${org}/dmarc</extra_contact_info>
    <report_id>${id}</report_id>
    <date_range>
      <begin>${midnight(age)}</begin>
      <end>${midnight(age - 1) - 1}</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>${domain}</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>${policy}</p>
    <sp>${policy}</sp>
    <pct>100</pct>
  </policy_published>
${records.map(recordXml).join('')}</feedback>
`
}

export interface MadeTls {
  readonly org?: string
  readonly id?: string
  readonly policies?: readonly unknown[]
  readonly age?: number
}

export const tlsPolicy = (domain: string, sessions: number, failures: Readonly<Record<string, number>> = {}, type = 'sts'): unknown => ({
  policy: {
    'policy-type': type,
    'policy-string': ['version: STSv1', 'mode: testing', `mx: mail.${domain}`],
    'policy-domain': domain,
    'mx-host': [`mail.${domain}`],
  },
  summary: { 'total-successful-session-count': sessions, 'total-failure-session-count': Object.values(failures).reduce((a, b) => a + b, 0) },
  'failure-details': Object.entries(failures).map(([result, count]) => ({
    ...{ 'result-type': result, 'sending-mta-ip': '2001:db8::1', 'receiving-mx-hostname': `mail.${domain}`, 'receiving-ip': '203.0.113.56' },
    'failed-session-count': count,
  })),
})

/** RFC 8460 §4.4. */
export const tlsJson = ({ org = 'Google Inc.', id = 'tls-1', age = 1, policies = [tlsPolicy('example.test', 20)] }: MadeTls = {}): string =>
  JSON.stringify({
    'organization-name': org,
    'date-range': {
      'start-datetime': new Date(midnight(age) * 1000).toISOString(),
      'end-datetime': new Date((midnight(age - 1) - 1) * 1000).toISOString(),
    },
    'contact-info': 'smtp-tls-reporting@google.com',
    'report-id': id,
    policies,
  })

export interface ZipFile {
  readonly name: string
  readonly data: Buffer
  /** Deflated already; what the header says of it is up to the test. */
  readonly packed?: Buffer
  readonly size?: number
  readonly flags?: number
  readonly method?: number
}

/** A zip archive as its specification has it, where the test does not say otherwise. */
export function zip(files: readonly ZipFile[], says: { readonly count?: number } = {}): Buffer {
  const locals: Buffer[] = []
  const entries: Buffer[] = []
  let at = 0
  for (const { name, data, packed = deflateRawSync(data), size = data.length, flags = 0, method = 8 } of files) {
    const field = Buffer.from(name)
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(flags, 2)
    shared.writeUInt16LE(method, 4)
    shared.writeUInt32LE(packed.length, 14)
    shared.writeUInt32LE(size, 18)
    shared.writeUInt16LE(field.length, 22)
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), shared, field, packed])
    const end = Buffer.alloc(14)
    end.writeUInt32LE(at, 10)
    entries.push(Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\0', 'latin1'), shared, end, field]))
    locals.push(local)
    at += local.length
  }
  const directory = Buffer.concat(entries)
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 'latin1')
  end.writeUInt16LE(says.count ?? files.length, 8)
  end.writeUInt16LE(says.count ?? files.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...locals, directory, end])
}

export interface Attached {
  readonly type: string
  readonly name?: string
  readonly data: Buffer
}

export interface MadeMail {
  readonly from?: string
  readonly subject?: string
  /** Of the whole; without it the one attachment is the body. */
  readonly multipart?: string
  readonly attached: readonly Attached[]
}

const base64 = (data: Buffer): string => data.toString('base64').replace(/.{76}/g, '$&\r\n')
const headerOf = ({ type, name }: Attached): string =>
  `Content-Type: ${type}${name ? `;\r\n\tname="${name}"` : ''}\r\n${name ? `Content-Disposition: attachment;\r\n\tfilename="${name}"\r\n` : ''}Content-Transfer-Encoding: base64\r\n`

/** Without the dot at its end. */
export function reportMail({
  from = 'noreply-dmarc-support@google.com',
  subject = 'Report domain: example.test',
  multipart,
  attached,
}: MadeMail): string {
  const head = `From: ${from}\r\nTo: reports@example.test\r\nSubject: ${subject}\r\nMessage-ID: <${Math.random()}@reports.test>\r\nMIME-Version: 1.0\r\n`
  const [first] = attached
  if (multipart === undefined) return `${head}${headerOf(first!)}\r\n${base64(first!.data)}\r\n`
  const parts = attached.map((one) => `--=_b\r\n${headerOf(one)}\r\n${base64(one.data)}\r\n`).join('')
  return `${head}Content-Type: ${multipart}; boundary="=_b"\r\n\r\nThis is a report.\r\n--=_b\r\nContent-Type: text/plain; charset="us-ascii"\r\n\r\nThis is an aggregate report.\r\n${parts}--=_b--\r\n`
}

const named = (org: string, more: string): string => `${org}!example.test!${midnight(1)}!${midnight(0) - 1}${more}`
const one = (type: string, name: string, data: Buffer): readonly Attached[] => [{ type, name, data }]
const zipped = (xml: string, org: string): Buffer => zip([{ name: named(org, '.xml'), data: Buffer.from(xml) }])

/** Who packs what how. */
export const SHAPES: Readonly<Record<string, (xml: string) => MadeMail>> = {
  google: (xml) => ({ attached: one('application/zip', named('google.com', '.zip'), zipped(xml, 'google.com')) }),
  microsoft: (xml) => ({
    ...{ from: '"DMARC Aggregate Report" <dmarcreport@microsoft.com>', multipart: 'multipart/mixed' },
    attached: one('application/gzip', named('enterprise.protection.outlook.com', '.xml.gz'), gzipSync(xml)),
  }),
  yahoo: (xml) => ({
    ...{ from: 'Yahoo! Inc. <noreply@dmarc.yahoo.com>', multipart: 'multipart/mixed' },
    attached: one('application/gzip', named('yahoo.com', '.xml.gz'), gzipSync(xml)),
  }),
  'mail.ru': (xml) => ({
    ...{ from: 'dmarc_support@corp.mail.ru', multipart: 'multipart/mixed' },
    attached: one('application/octet-stream', named('mail.ru', '.xml.gz'), gzipSync(xml)),
  }),
  'a zip that calls itself gzip': (xml) => ({
    multipart: 'multipart/mixed',
    attached: one('application/x-gzip', named('odd.test', '.xml.gz'), zipped(xml, 'odd.test')),
  }),
  'XML as it is': (xml) => ({ multipart: 'multipart/mixed', attached: one('text/xml', named('plain.test', '.xml'), Buffer.from(xml)) }),
  'a text by type, a report by name': (xml) => ({
    multipart: 'multipart/mixed',
    attached: one('text/plain', named('text.test', '.XML.GZ'), gzipSync(xml)),
  }),
}

/** Of TLS reports. */
export const TLS_SHAPES: Readonly<Record<string, (json: string) => MadeMail>> = {
  google: (json) => ({
    ...{ from: 'noreply-smtp-tls-reporting@google.com', multipart: 'multipart/report; report-type=tlsrpt' },
    attached: one('application/tlsrpt+gzip', named('google.com', '!001.json.gz'), gzipSync(json)),
  }),
  microsoft: (json) => ({
    ...{ from: 'tlsrpt-noreply@microsoft.com', multipart: 'multipart/report; report-type="tlsrpt"' },
    attached: one('application/tlsrpt+gzip', named('microsoft.com', '!133.json.gz'), gzipSync(json)),
  }),
  'JSON as it is': (json) => ({ attached: [{ type: 'application/tlsrpt+json', data: Buffer.from(json) }] }),
}
