/** Accounts in Postgres. Every question is asked there: a changed password, alias or quota counts from the next one on, in every process. */
import { createHmac, randomBytes } from 'node:crypto'
import { domainOf, withoutTag } from '../../mail/address.ts'
import { grantAccount } from '../access.ts'
import type { Accounts, ConfigFile, Inbound, Login, Recipient, WantedState } from '../accounts.ts'
import type { Bus } from '../bus.ts'
import type { AfterDownload, Pop3Settings } from '../pop3-policy.ts'
import { type SubmissionSettings, submissionPolicy } from '../submission-policy.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { policyOf } from './policies.ts'
import { isConflict, isLost, type Pool, translated } from './pool.ts'
import type { PublicChange } from './public.ts'
import { applyWanted, fromStored, type LoginChange, type StoredAppPassword } from './reconcile.ts'
import type { Row, Statement } from './rows.ts'

const LOGIN: Statement = {
  name: 'account_login',
  text: `select account_id, address, password_hash, version, enabled, pop3_policy, pop3::text, scram, app_passwords::text, disabled_capabilities::text, has_pop_uidl, submission::text
         from account where address = $1`,
}

// $1 as it is written, $2 without its +tag, $3 the rest of its domain; what is named more closely goes first. A list gives its owner's row and its members'. Subqueries
// and no joins: they leave the planner no choice but the accounts' own rows, also in a database that has no statistics yet.
const RECIPIENT: Statement = {
  name: 'account_recipient',
  text: `with found as materialized (
           select address, account_id, members, onward from address where address in ($1, $2, $3) order by address = $1 desc, address = $2 desc limit 1)
         select a.account_id,
           (select id from mailbox where account_id = a.account_id and name = 'INBOX' and deleted_at is null),
           (select coalesce(sum(bytes), 0)::bigint from mailbox where account_id = a.account_id and deleted_at is null),
           coalesce(a.quota, -1),
           coalesce((select id from mailbox where account_id = a.account_id and deleted_at is null and (special_use = '\\Junk' or name = 'Junk')
             order by (special_use = '\\Junk') desc nulls last limit 1), 0),
           a.address, a.inbound::text,
           (select case when members is null then '' else json_build_object('address', address, 'owner', account_id, 'members', members, 'onward', onward)::text end from found)
         from account a where a.enabled and a.account_id = any((select account_id || coalesce(members, '{}') from found)::bigint[])`,
}
const IS_LOCAL: Statement = { name: 'account_is_local', text: 'select 1 from domain where domain = $1' }
const DOMAINS: Statement = { name: 'account_domains', text: 'select domain from domain order by domain' }
const OWNS: Statement = { name: 'account_owns', text: 'select 1 from address where account_id = $1 and address in ($2, $3) limit 1' }

const SECRET: Statement = { name: 'account_secret', text: 'update server set snapshot_key = coalesce(snapshot_key, $1) returning snapshot_key' }

const LONGEST_DELAY: Statement = {
  name: 'account_longest_delay',
  text: `select coalesce(max(greatest((pop3->>'loginDelay')::int,
           (select max((p->'pop3'->>'loginDelay')::int) from jsonb_array_elements(app_passwords) as p))), 0)
         from account where enabled`,
}

const TRIES = 3

/** A secret of the database's that never changes and never leaves it but to us: what else it proves, it proves of other texts. */
async function decoySecret(pool: Pool): Promise<Buffer> {
  let secret: Buffer | undefined
  await pool.rows(SECRET, [randomBytes(32)], (row) => {
    secret = Buffer.from(row.bytes()!)
  })
  return secret!
}

export interface PgAccounts extends Accounts {
  /** Applies once more what was applied last: the database may have lost it. */
  again(): Promise<void>
}

/**
 * `kick` ends the sessions of an account whose password changed, that lost an app password or that was disabled, in every process: `presence.kick`. It is called, and topic `login` poked,
 * when the change is durable.
 */
export function createAccounts(pool: Pool, bus: Bus, kick: (account: AccountId, why: string) => void = () => {}): PgAccounts {
  let last: { readonly wanted: WantedState; readonly file: ConfigFile | undefined } | undefined
  let secret: Promise<Buffer> | undefined
  function announce(changes: readonly LoginChange[]): void {
    for (const { account, version, why } of changes) {
      bus.poke({ account, of: 'login' }, version)
      kick(account, why)
    }
  }

  const remembered = (): Promise<Buffer> =>
    decoySecret(pool).catch((err: unknown) => {
      secret = undefined
      throw err
    })

  return {
    async again() {
      if (last) await this.reconcile(last.wanted, last.file)
    },

    async reconcile(wanted, file) {
      last = { wanted, file }
      // Of all attempts: one whose commit lost its answer may have been the one that changed things.
      const changes: LoginChange[] = []
      let shared: PublicChange | undefined
      for (let tries = 1; ; tries++) {
        try {
          const noteShared = (change: PublicChange) => void (shared = change)
          const applied = await pool.session((session) => applyWanted(session, { wanted, file }, changes, noteShared))
          announce(changes)
          if (shared) bus.poke({ account: shared.account, of: 'names' }, shared.modseq)
          return applied || changes.length > 0
        } catch (err) {
          if (!(isLost(err) || isConflict(err)) || tries >= TRIES) throw translated(err)
        }
      }
    },

    async login(address) {
      let login: Login | undefined
      await pool.rows(LOGIN, [address], (row) => {
        login = {
          account: row.long() as AccountId,
          address: row.text(),
          passwordHash: row.text(),
          version: row.int(),
          enabled: row.int() === 1,
          pop3: policyOf(row.text() as AfterDownload, JSON.parse(row.text()) as Pop3Settings),
          scram: row.text(),
          appPasswords: (JSON.parse(row.text()) as StoredAppPassword[]).map(fromStored),
          disable: JSON.parse(row.text()) as string[],
          importedUidls: row.int() === 1,
          submission: submissionPolicy(JSON.parse(row.text()) as SubmissionSettings),
        }
      })
      return login
    },

    async longestLoginDelay() {
      let longest = 0
      await pool.rows(LONGEST_DELAY, [], (row) => {
        longest = row.int()
      })
      return longest
    },

    async decoy(name) {
      secret ??= remembered()
      return createHmac('sha256', await secret)
        .update(`decoy\0${name}`)
        .digest()
    },

    grant: (login) => grantAccount(login.account, login.address),

    async forwardingKey() {
      secret ??= remembered()
      return createHmac('sha256', await secret)
        .update('forwarding')
        .digest()
    },

    async recipient(address) {
      const found: Recipient[] = []
      let list = ''
      await pool.rows(RECIPIENT, [address, withoutTag(address), `@${domainOf(address)}`], (row) => {
        found.push(recipientIn(row))
        list = row.text()
      })
      return list === '' ? found[0] : listed(JSON.parse(list) as StoredList, found)
    },

    isLocal: async (domain) => (await pool.rows(IS_LOCAL, [domain])) > 0,
    async domains() {
      const all: string[] = []
      await pool.rows(DOMAINS, [], (row) => all.push(row.text()))
      return all
    },
    owns: async (account, address) => (await pool.rows(OWNS, [account, address, withoutTag(address)])) > 0,
  }
}

function recipientIn(row: Row): Recipient {
  const access = grantAccount(row.long() as AccountId, 'delivery')
  const inbox = row.int() as MailboxId
  const used = row.long()
  const quota = row.long()
  const junk = row.int() as MailboxId
  const address = row.text()
  const inbound = row.text()
  return {
    ...{ access, inbox, junk: junk === 0 ? undefined : junk, used, quota: quota < 0 ? undefined : quota, address },
    inbound: inbound === '{}' ? undefined : (JSON.parse(inbound) as Inbound),
  }
}

interface StoredList {
  readonly address: string
  readonly owner: number
  readonly members: readonly number[]
  readonly onward: readonly string[] | null
}

/** undefined: nobody is left to be told of its mail. */
function listed({ address, owner, members, onward }: StoredList, found: readonly Recipient[]): Recipient | undefined {
  const its = found.find(({ access }) => access.account === owner)
  const isMember = new Set(members)
  return its && { ...its, list: { address, members: found.filter(({ access }) => isMember.has(access.account)), onward: onward ?? [] } }
}
