/** What the tests need of a mail server that others wrote. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface MtaOptions {
  readonly dir: string
  readonly hostname: string
  readonly domain: string
  readonly address: string
  readonly pem: { readonly cert: string; readonly key: string }
  /** Whose mail it takes. */
  readonly user: string
}

export interface Mta {
  /** File of its log. */
  readonly log: string
  /** The user's messages, octets as characters; line ends are LF in a Maildir. */
  mail(): string[]
  close(): Promise<void>
}

export function mailIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'))
  } catch {
    // Nothing came so far.
    return []
  }
}
