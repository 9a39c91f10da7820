/** The password that the first start made up: kept, readable by this user alone, for as long as it is the mailbox's password. */
import { randomInt } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { verifyPassword } from '../auth/password.ts'
import type { MailboxConfig } from '../config/schema.ts'
import { replace } from './lock.ts'

export interface FirstPassword {
  readonly address: string
  readonly password: string
  /** A person was told. */
  readonly shown: boolean
}

const FILE = 'first-password.json'
/** No letters or digits that look alike. */
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'
const GROUPS = 4
const GROUP = 5

/** Twenty letters in groups: 99 bits, easy to type. */
export const generatePassword = (): string =>
  Array.from({ length: GROUPS }, () => Array.from({ length: GROUP }, () => LETTERS[randomInt(LETTERS.length)]).join('')).join('-')

export const keepFirstPassword = (dir: string, first: FirstPassword): void => replace(join(dir, FILE), `${JSON.stringify(first)}\n`, 0o600)

/** Forgets it when the mailbox is gone or has another password by now. */
export async function firstPassword(dir: string, mailboxes: readonly MailboxConfig[]): Promise<FirstPassword | undefined> {
  const kept = read(join(dir, FILE))
  if (!kept) return undefined
  const mailbox = mailboxes.find((m) => m.address === kept.address)
  if (mailbox && (await verifyPassword(mailbox.password_hash, kept.password))) return kept
  rmSync(join(dir, FILE), { force: true })
  return undefined
}

function read(file: string): FirstPassword | undefined {
  try {
    const { address, password, shown } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    return typeof address === 'string' && typeof password === 'string' ? { address, password, shown: shown === true } : undefined
  } catch {
    return undefined
  }
}
