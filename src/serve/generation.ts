/** Several hosts have a config file each: which of them counts, and what the one that does not is told. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import type { Accounts } from '../store/accounts.ts'
import { OlderConfig } from '../store/errors.ts'
import { Refused } from './refused.ts'
import { wantedState } from './wanted.ts'

/** Is there, with the reason in it, while another host's config file is newer than this host's. */
const NOTE = 'config-is-older'

export interface Applying {
  readonly accounts: Accounts
  readonly configFile: string
  readonly dataDir: string
  readonly log: Log
}

/** Brings the accounts to what the file says. An older file than another host's is not applied: that is logged, and noted for `postern mailbox`. true: something changed. */
export async function applyMailboxes({ accounts, configFile, dataDir, log }: Applying, config: Config): Promise<boolean> {
  const note = join(dataDir, NOTE)
  try {
    const time = Math.floor(statSync(configFile).mtimeMs)
    const changed = await accounts.reconcile(wantedState(config), { number: config.generation ?? 0, time, origin: `${hostname()}:${configFile}` })
    rmSync(note, { force: true })
    return changed
  } catch (error) {
    if (!(error instanceof OlderConfig)) throw error
    if (!existsSync(note) || readFileSync(note, 'utf8') !== error.message) {
      log.error({ reason: error.message }, 'the mailboxes of this config are not applied: another host has a newer one')
      writeFileSync(note, error.message, { mode: 0o600 })
    }
    return false
  }
}

/** Throws Refused where an edit of this host's file would undo what another host's says. */
export function refuseOlderConfig(dataDir: string): void {
  const note = join(dataDir, NOTE)
  if (existsSync(note)) throw new Refused(readFileSync(note, 'utf8'))
}
