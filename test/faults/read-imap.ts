/** Everything that a host shows: each user logs in and fetches all of each mailbox. */
import { sha256 } from '../support/ledger.ts'
import { fetched, ImapClient } from './imap-client.ts'
import { address, type Host, PASSWORD } from './load/load.ts'
import { sortedFlags } from './load/watcher.ts'

export interface ShownRow {
  readonly flags: string
  readonly octets: string
  readonly sha: string
}

export interface ShownBox {
  readonly host: string
  readonly user: string
  readonly box: string
  readonly uidvalidity: number
  readonly rows: ReadonlyMap<number, ShownRow>
}

export async function readShown(host: Host, users: readonly string[], password = PASSWORD): Promise<ShownBox[]> {
  const shown: ShownBox[] = []
  for (const user of users) {
    const client = await ImapClient.login(host.where('imaps'), { user: address(user), password })
    try {
      const { untagged } = await client.must('LIST "" "*"')
      const boxes = untagged.map(({ text }) => /(\S+)$/.exec(text)![1]!.replaceAll('"', ''))
      // What others share comes and goes: who is shown it holds it against the rights (load/sharing.ts).
      for (const box of boxes.filter((name) => !/^Shared\b/.test(name))) shown.push(await readBox(client, { host: host.name, user, box }))
    } finally {
      client.close()
    }
  }
  return shown
}

async function readBox(client: ImapClient, where: { host: string; user: string; box: string }): Promise<ShownBox> {
  const { untagged } = await client.must(`EXAMINE "${where.box}"`)
  const uidvalidity = Number(untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find((n) => n !== undefined))
  const rows = new Map<number, ShownRow>()
  const answer = await client.must('UID FETCH 1:* (UID FLAGS BODY.PEEK[])')
  for (const response of answer.untagged) {
    const { uid, flags, literal } = fetched(response) ?? {}
    if (uid === undefined || flags === undefined || literal === undefined) continue
    rows.set(uid, { flags: sortedFlags(flags), octets: literal, sha: sha256(literal) })
  }
  return { ...where, uidvalidity, rows }
}
