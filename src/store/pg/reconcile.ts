/** Brings accounts, addresses and domains in Postgres to what the config file says: one transaction, one process at a time. */
import { createHash } from 'node:crypto'
import type { AppPassword, ConfigFile, WantedAccount, WantedState } from '../accounts.ts'
import { OlderConfig, Refusal } from '../errors.ts'
import { type AfterDownload, DEFAULT_POP3, nearestWord, type Pop3Settings, packPop3, unpackPop3 } from '../pop3-policy.ts'
import type { AccountId, SpecialUse } from '../types.ts'
import type { Session } from './pool.ts'
import { applyPublic, type PublicChange } from './public.ts'
import type { Statement } from './rows.ts'

/** Part of the state's hash: raise it when the same state must be applied again by a new version of this file. */
const FORMAT = 1

/** Every account has these from its creation, all subscribed. Their ids are 1, 2, … in this order. */
export const FIRST_MAILBOXES: readonly { readonly name: string; readonly use: SpecialUse | null }[] = [
  { name: 'INBOX', use: null },
  { name: 'Sent', use: '\\Sent' },
  { name: 'Drafts', use: '\\Drafts' },
  { name: 'Trash', use: '\\Trash' },
  { name: 'Junk', use: '\\Junk' },
  { name: 'Archive', use: '\\Archive' },
]

/** Exist in every domain (RFC 5321 §4.5.1, RFC 2142 §2, §4): the first account's, unless somebody has them. */
const ROLES = ['postmaster', 'abuse']

/** An account whose login changed: `version` is what it rose to. */
export interface LoginChange {
  readonly account: AccountId
  readonly version: number
  readonly why: 'password changed' | 'app password removed' | 'disabled'
}

interface WantedAddress {
  readonly address: string
  readonly owner: string
  readonly kind: 'own' | 'alias' | 'role' | 'list' | 'catch-all'
  /** Of a list: accounts here, and addresses elsewhere. */
  readonly members?: readonly string[]
  readonly onward?: readonly string[]
}

/** Who gets what. Throws Refusal 'already-exists' where two accounts claim an address. */
export function wantedAddresses({ domains, accounts, lists = [], catchAll = {} }: WantedState): WantedAddress[] {
  const wanted = new Map<string, WantedAddress>()
  const claim = (of: WantedAddress): void => {
    const other = wanted.get(of.address)
    if (other && (other.owner !== of.owner || of.kind === 'own' || of.kind === 'list'))
      throw new Refusal('already-exists', `the address ${of.address} is given twice: to ${other.owner} and to ${of.owner}`)
    if (!other) wanted.set(of.address, of)
  }
  for (const { address } of accounts) claim({ address, owner: address, kind: 'own' })
  for (const { address, aliases } of accounts) for (const alias of aliases) claim({ address: alias, owner: address, kind: 'alias' })
  for (const list of lists) claim({ ...list, kind: 'list' })
  for (const [domain, owner] of Object.entries(catchAll)) claim({ address: `@${domain}`, owner, kind: 'catch-all' })
  const [first] = accounts
  if (first)
    for (const role of ROLES.flatMap((name) => domains.map((domain) => `${name}@${domain}`)))
      if (!wanted.has(role)) wanted.set(role, { address: role, owner: first.address, kind: 'role' })
  return [...wanted.values()]
}

/** The order of accounts counts (the first one gets the roles), that of domains and aliases does not. */
function hashOf({ domains, accounts, public: shared = [], lists = [], catchAll = {} }: WantedState): string {
  const each = accounts.map((a) => [a.address, [...a.aliases].sort(), a.passwordHash, a.displayName, a.quota, packPop3(pop3Of(a)), ...beside(a)])
  const further = lists.length > 0 || Object.keys(catchAll).length > 0 ? [{ lists, catchAll: Object.entries(catchAll).sort() }] : []
  const state = [FORMAT, [...domains].sort(), each, ...(shared.length > 0 ? [shared] : []), ...further]
  return createHash('sha256').update(JSON.stringify(state)).digest('hex')
}

/** What a version that knew only passwords did not hash: a file without it has the hash that it had. */
const beside = ({ scram = '', appPasswords = [], disable = [], inbound, submission }: WantedAccount): unknown[] => [
  ...(scram.length + appPasswords.length + disable.length > 0 ? [{ scram, appPasswords: appPasswords.map(toStored), disable }] : []),
  ...(inbound ? [{ inbound }] : []),
  ...(submission ? [{ submission }] : []),
]

const pop3Of = ({ pop3 }: WantedAccount): Pop3Settings & { afterDownload: AfterDownload } => ({
  ...pop3,
  afterDownload: pop3?.afterDownload ?? DEFAULT_POP3.afterDownload,
})

/** As the database has it. */
export type StoredAppPassword = Omit<AppPassword, 'pop3'> & { readonly pop3?: string | Pop3Settings }

const toStored = ({ pop3, ...rest }: AppPassword): StoredAppPassword => ({ ...rest, ...(pop3 && { pop3: packPop3(pop3) }) })
export const fromStored = ({ pop3, ...rest }: StoredAppPassword): AppPassword => ({ ...rest, ...(pop3 !== undefined && { pop3: unpackPop3(pop3) }) })

function pop3Columns(account: WantedAccount): { pop3: string; pop3_settings: Pop3Settings } {
  const settings = pop3Of(account)
  return { pop3: nearestWord(settings.afterDownload), pop3_settings: typeof packPop3(settings) === 'string' ? {} : settings }
}

const LOCK: Statement = {
  name: 'reconcile_lock',
  text: `select coalesce(config_hash, ''), config_number, config_time, config_origin from server for update`,
}
const SETTLE: Statement = {
  name: 'reconcile_settle',
  text: 'update server set config_hash = $1, config_generation = config_generation + 1, config_number = $2, config_time = $3, config_origin = $4',
}
/** The same content in a newer file: whatever is between the two is older. */
const AGREE: Statement = {
  name: 'reconcile_agree',
  text: 'update server set config_number = $1, config_time = $2 where (config_number, config_time) < ($1, $2)',
}

interface Applied extends ConfigFile {
  readonly hash: string
}

/** Two files that differ in content: whether `a` is the older one. The last word, where even the times are equal, is one that all hosts say alike. */
function isOlder(a: Applied, than: Applied): boolean {
  if (a.number !== than.number) return a.number < than.number
  if (a.origin === than.origin) return false
  return a.time !== than.time ? a.time < than.time : a.hash < than.hash
}

function olderWords({ number, time }: ConfigFile, { number: appliedNumber, time: appliedTime, origin }: Applied): string {
  const file = (n: number, at: number) => (n > 0 ? `generation ${n}` : `written ${new Date(at).toISOString()}`)
  return `this host's config file (${file(number, time)}) is older than the one that was applied last (${file(appliedNumber, appliedTime)}, ${origin}) and names other mailboxes: it is not applied. Copy that file here; or, if this one is right, ${
    number > 0 || appliedNumber > 0 ? `give it a generation above ${appliedNumber}` : 'save it again'
  }`
}

const WANTED = `wanted as (select * from jsonb_to_recordset($1::jsonb) as w (address text, display_name text, hash text, pop3 text, pop3_settings jsonb, quota bigint, scram text, app_passwords jsonb, disable jsonb, inbound jsonb, submission jsonb, keeps_sent boolean))`

// A password that its user changed since lives in password_hash and stays until the file says another one.
const ADMIT: Statement = {
  name: 'reconcile_admit',
  text: `with ${WANTED}
         update account a set password_hash = case when a.file_hash = w.hash then a.password_hash else w.hash end, file_hash = w.hash,
                version = a.version + 1, enabled = true, disabled_at = null
         from wanted w where w.address = a.address and (a.file_hash <> w.hash or not a.enabled)
         returning a.account_id, a.version`,
}
const DESCRIBE: Statement = {
  name: 'reconcile_describe',
  text: `with ${WANTED}
         update account a set display_name = w.display_name, pop3_policy = w.pop3, pop3 = w.pop3_settings, quota = w.quota, inbound = w.inbound, submission = w.submission, keeps_sent = w.keeps_sent
         from wanted w where w.address = a.address
           and (a.display_name, a.pop3_policy, a.pop3, a.quota, a.inbound, a.submission, a.keeps_sent)
             is distinct from (w.display_name, w.pop3, w.pop3_settings, w.quota, w.inbound, w.submission, w.keeps_sent)`,
}
// One that is narrowed counts as taken away: `@>` asks whether each of the old ones is within one of the new ones.
const LOGINS: Statement = {
  name: 'reconcile_logins',
  text: `with ${WANTED},
         changed as (
           select a.account_id, w.scram, w.app_passwords, w.disable, not w.app_passwords @> a.app_passwords as taken from account a join wanted w on w.address = a.address
           where (a.scram, a.app_passwords, a.disabled_capabilities) is distinct from (w.scram, w.app_passwords, w.disable))
         update account a set scram = c.scram, app_passwords = c.app_passwords, disabled_capabilities = c.disable, version = a.version + c.taken::int
         from changed c where c.account_id = a.account_id returning a.account_id, a.version, c.taken`,
}
const DISABLE: Statement = {
  name: 'reconcile_disable',
  text: `with ${WANTED}
         update account a set enabled = false, version = a.version + 1, disabled_at = now()
         where a.enabled and not exists (select 1 from wanted w where w.address = a.address) returning a.account_id, a.version`,
}
const CREATE: Statement = {
  name: 'reconcile_create',
  text: `with ${WANTED},
         first as (select id, box ->> 'name' as name, box ->> 'use' as special_use from jsonb_array_elements($2::jsonb) with ordinality as f (box, id)),
         made as (
           insert into account (address, display_name, password_hash, file_hash, pop3_policy, pop3, quota, inbound, submission, keeps_sent, next_mailbox, next_uidvalidity)
           select w.address, w.display_name, w.hash, w.hash, w.pop3, w.pop3_settings, w.quota, w.inbound, w.submission, w.keeps_sent, n.first + 1, extract(epoch from now())::bigint + n.first
           from wanted w, (select count(*) as first from first) n where not exists (select 1 from account a where a.address = w.address)
           returning account_id, next_mailbox, next_uidvalidity),
         boxes as (
           insert into mailbox (account_id, id, name, special_use, uidvalidity)
           select account_id, id, name, special_use, next_uidvalidity - next_mailbox + id from made, first returning account_id, id, name),
         folds as (insert into mailbox_fold (account_id, mailbox_id) select account_id, id from boxes)
         insert into subscription (account_id, name) select account_id, name from boxes`,
}

const DESIRED = `desired as (
  select d.address, a.account_id, d.kind, d.onward,
    case when d.members is not null then array(select m.account_id from account m where m.address = any(d.members) order by 1) end as members
  from jsonb_to_recordset($1::jsonb) as d (address text, owner text, kind text, members text[], onward text[]) join account a on a.address = d.owner)`
const FORGET_ADDRESSES: Statement = {
  name: 'reconcile_forget_addresses',
  text: `with ${DESIRED}
         delete from address x where not exists (select 1 from desired d
           where (d.address, d.account_id, d.kind, d.members, d.onward) is not distinct from (x.address, x.account_id, x.kind, x.members, x.onward))`,
}
const ADD_ADDRESSES: Statement = {
  name: 'reconcile_add_addresses',
  text: `with ${DESIRED} insert into address (address, account_id, kind, members, onward)
         select address, account_id, kind, members, onward from desired on conflict do nothing`,
}
const FORGET_DOMAINS: Statement = { name: 'reconcile_forget_domains', text: 'delete from domain where domain <> all ($1::text[])' }
const ADD_DOMAINS: Statement = { name: 'reconcile_add_domains', text: 'insert into domain select unnest($1::text[]) on conflict do nothing' }

/** Applies it in the session's own transaction, noting in `changes` whose login changed. false: this state was the last one applied. */
export async function applyWanted(
  session: Session,
  { wanted, file }: { readonly wanted: WantedState; readonly file: ConfigFile | undefined },
  changes: LoginChange[],
  publicChanged: (change: PublicChange) => void = () => {},
): Promise<boolean> {
  const addresses = JSON.stringify(wantedAddresses(wanted))
  const accounts = JSON.stringify(
    wanted.accounts.map((a) => ({
      address: a.address,
      display_name: a.displayName,
      hash: a.passwordHash,
      ...pop3Columns(a),
      quota: a.quota,
      scram: a.scram ?? '',
      app_passwords: (a.appPasswords ?? []).map(toStored),
      disable: a.disable ?? [],
      inbound: a.inbound ?? {},
      submission: a.submission ?? {},
      keeps_sent: [a, ...(a.appPasswords ?? [])].some(({ submission }) => submission?.sentCopy === true),
    })),
  )
  const hash = hashOf(wanted)
  await session.begin()
  let applied: Applied = { hash: '', number: 0, time: 0, origin: '' }
  await session.rows(LOCK, [], (row) => {
    applied = { hash: row.text(), number: row.long(), time: row.long(), origin: row.text() }
  })
  const mine = file && { ...file, hash }
  if (applied.hash === hash) {
    if (mine) await session.rows(AGREE, [mine.number, mine.time])
    await session.commit()
    return false
  }
  if (mine && applied.hash !== '' && isOlder(mine, applied)) throw new OlderConfig(olderWords(mine, applied))
  const note = (why: LoginChange['why']) => (row: { long(): number; int(): number }) =>
    changes.push({ account: row.long() as AccountId, version: row.int(), why })
  await session.rows(ADMIT, [accounts], note('password changed'))
  await session.rows(DESCRIBE, [accounts])
  await session.rows(DISABLE, [accounts], note('disabled'))
  await session.rows(CREATE, [accounts, JSON.stringify(FIRST_MAILBOXES)])
  await session.rows(LOGINS, [accounts], (row) => {
    const [account, version, taken] = [row.long() as AccountId, row.int(), row.int() === 1]
    if (taken) changes.push({ account, version, why: 'app password removed' })
  })
  await session.rows(FORGET_ADDRESSES, [addresses])
  await session.rows(ADD_ADDRESSES, [addresses])
  await session.rows(FORGET_DOMAINS, [[...wanted.domains]])
  await session.rows(ADD_DOMAINS, [[...wanted.domains]])
  const shared = await applyPublic(session, wanted.public ?? [])
  if (shared) publicChanged(shared)
  const { number, time, origin } = mine ?? applied
  await session.rows(SETTLE, [hash, number, time, origin])
  await session.commit()
  return true
}
