/** What somebody has in his mailboxes here, by IMAP. */
import { ImapFlow } from 'imapflow'

export interface Owner {
  readonly host: string
  /** In its certificate. */
  readonly servername: string
  readonly ca: string
  readonly user: string
  readonly pass: string
}

/** By mailbox, octets as characters; those that are empty are left out. */
export async function allMail({ host, servername, ca, user, pass }: Owner): Promise<Record<string, string[]>> {
  const client = new ImapFlow({ host, port: 993, secure: true, servername, logger: false, auth: { user, pass }, tls: { ca, servername } })
  await client.connect()
  try {
    const all: Record<string, string[]> = {}
    for (const { path, status } of await client.list({ statusQuery: { messages: true } })) {
      if (!status?.messages) continue
      const lock = await client.getMailboxLock(path, { readOnly: true })
      const texts: string[] = []
      for await (const { source } of client.fetch('1:*', { source: true })) texts.push(source!.toString('latin1'))
      lock.release()
      all[path] = texts
    }
    return all
  } finally {
    await client.logout()
  }
}
