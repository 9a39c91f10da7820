/** DMARC aggregate reports: XML of RFC 7489 appendix C and of RFC 9990, in whatever namespace; read as it comes, nothing of it kept but the sums. */
import sax from 'sax'
import { canonicalDomain } from '../mail/address.ts'
import type { DmarcRow, ToldReport } from '../store/reports.ts'
import { fateOf } from '../store/reports-rows.ts'
import { periodOf } from './period.ts'
import { addressIn, countIn, tame } from './text.ts'
import { READ_LIMITS, Unreadable } from './unreadable.ts'

/** Entities are the five of XML itself. Its bound on one name, comment or attribute (64 KiB) is only held where it counts positions. */
const OPTIONS = { strictEntities: true, position: true }
const ROOT = '/feedback'
const RECORD = '/feedback/record'
const EVALUATED = `${RECORD}/row/policy_evaluated`
const SIGNATURE = `${RECORD}/auth_results/dkim`
const PATH = `${RECORD}/auth_results/spf`
const MAX_NAME = 64
/** Characters of one text that are looked at. */
const MAX_TEXT = 1_000
/** An `&` that begins no entity of XML, as in addresses of web pages: what many write is what it looks like. */
const BARE = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-f]{1,6});)/gi
const LONGEST_ENTITY = 10
/** Signatures of one row that are kept. */
const MAX_SIGNED = 3
/** Texts that are kept while they are needed. */
const WANTED = new Set([
  ...['org_name', 'report_id', 'date_range/begin', 'date_range/end'].map((name) => `${ROOT}/report_metadata/${name}`),
  ...['domain', 'p'].map((name) => `${ROOT}/policy_published/${name}`),
  ...['source_ip', 'count'].map((name) => `${RECORD}/row/${name}`),
  ...['disposition', 'dkim', 'spf', 'reason/type'].map((name) => `${EVALUATED}/${name}`),
  ...['identifiers', 'identities'].map((name) => `${RECORD}/${name}/header_from`),
  ...[SIGNATURE, PATH].flatMap((path) => [`${path}/domain`, `${path}/result`]),
])
const DISPOSITIONS = ['none', 'quarantine', 'reject', 'pass']

/** `write` the text as it comes, then `end` once. Both throw Unreadable. */
export class DmarcReader {
  readonly #parser = sax.parser(true, OPTIONS)
  readonly #rows = new Map<string, DmarcRow>()
  /** Texts outside records, by path. */
  readonly #head = new Map<string, string>()
  /** Texts of the record that is being read. */
  #record = new Map<string, string>()
  #signed: string[] = []
  #paths: string[] = []
  #path = ''
  #depth = 0
  #text = ''
  #records = 0
  /** The end of what was written, where it may be the beginning of an entity. */
  #held = ''

  constructor() {
    const parser = this.#parser
    parser.onopentag = ({ name }) => this.#open(name)
    parser.ontext = (text) => this.#add(text)
    parser.oncdata = (text) => this.#add(text)
    parser.onclosetag = () => this.#close()
    parser.ondoctype = () => {
      throw new Unreadable('it has a DTD, and none is read')
    }
    parser.onerror = () => {
      throw new Unreadable('it is no XML that can be read')
    }
  }

  write(text: string): void {
    const all = this.#held + text
    const last = all.lastIndexOf('&')
    const end = last >= 0 && last > all.length - LONGEST_ENTITY ? last : all.length
    this.#held = all.slice(end)
    this.#parser.write(all.slice(0, end).replace(BARE, '&amp;'))
  }

  end(): ToldReport {
    this.#parser.write(this.#held.replace(BARE, '&amp;'))
    this.#parser.close()
    const head = (path: string): string => tame(this.#head.get(`${ROOT}/${path}`) ?? '')
    const domain = canonicalDomain(head('policy_published/domain').toLowerCase().replace(/\.$/, ''))
    if (domain === undefined) throw new Unreadable('it names no domain')
    const id = head('report_metadata/report_id')
    if (id === '') throw new Unreadable('it has no report id')
    const seconds = (path: string): number => (/^\d{1,11}$/.test(head(path)) ? Number(head(path)) * 1000 : Number.NaN)
    const policy = head('policy_published/p').toLowerCase()
    return {
      ...{ kind: 'dmarc', domain, id, org: head('report_metadata/org_name') },
      ...periodOf(seconds('report_metadata/date_range/begin'), seconds('report_metadata/date_range/end')),
      policy: policy === '' ? '' : `p=${policy}`,
      rows: [...this.#rows.values()],
    }
  }

  #open(name: string): void {
    if (++this.#depth > READ_LIMITS.depth) throw new Unreadable('its elements are too deep within each other')
    this.#path += `/${name.slice(name.indexOf(':') + 1, MAX_NAME).toLowerCase()}`
    if (this.#depth === 1 && this.#path !== ROOT) throw new Unreadable('it is XML and no DMARC report')
    this.#text = ''
  }

  #add(text: string): void {
    if (this.#text.length < MAX_TEXT) this.#text += text.slice(0, MAX_TEXT)
  }

  #close(): void {
    const path = this.#path
    const text = this.#text.trim()
    this.#text = ''
    this.#depth--
    this.#path = path.slice(0, path.lastIndexOf('/'))
    if (path === RECORD) this.#endRecord()
    else if (path === SIGNATURE) this.#said(SIGNATURE, this.#signed)
    else if (path === PATH) this.#said(PATH, this.#paths)
    else if (text === '' || !WANTED.has(path)) return
    else if (path.startsWith(`${RECORD}/`)) this.#record.set(path, text)
    else if (!this.#head.has(path)) this.#head.set(path, text)
  }

  /** Puts `example.net=pass`, of what was just read, into the list; the next one begins anew. */
  #said(path: string, into: string[]): void {
    const [domain = '', result = ''] = [`${path}/domain`, `${path}/result`].map((one) => this.#record.get(one))
    this.#record.delete(`${path}/domain`)
    this.#record.delete(`${path}/result`)
    if (domain !== '' && into.length < MAX_SIGNED) into.push(`${tame(domain).toLowerCase()}=${tame(result).toLowerCase()}`)
  }

  #endRecord(): void {
    if (++this.#records > READ_LIMITS.records) throw new Unreadable(`it has more than ${READ_LIMITS.records} records`)
    const record = this.#record
    const word = (path: string): string => tame(record.get(path) ?? '').toLowerCase()
    const disposition = word(`${EVALUATED}/disposition`)
    const row: DmarcRow = {
      source: addressIn(record.get(`${RECORD}/row/source_ip`) ?? ''),
      count: countIn(record.get(`${RECORD}/row/count`)),
      disposition: DISPOSITIONS.includes(disposition) ? disposition : '',
      dkim: word(`${EVALUATED}/dkim`) === 'pass',
      spf: word(`${EVALUATED}/spf`) === 'pass',
      override: word(`${EVALUATED}/reason/type`),
      // Reports older than the RFC call it so.
      from: word(`${RECORD}/identifiers/header_from`) || word(`${RECORD}/identities/header_from`),
      signed: tame(this.#signed.join(' ')),
      path: this.#paths[0] ?? '',
    }
    this.#record = new Map()
    this.#signed = []
    this.#paths = []
    if (row.count > 0) this.#count(row)
  }

  #count(row: DmarcRow): void {
    const known = this.#rows.get(fateOf(row))
    const full = known === undefined && this.#rows.size >= READ_LIMITS.rows
    const shown = full ? { ...row, source: '', override: '', from: '', signed: '', path: '' } : row
    const key = fateOf(shown)
    this.#rows.set(key, { ...shown, count: row.count + (this.#rows.get(key)?.count ?? 0) })
  }
}
