/** An IMAP program in the same mailbox: moves, expunges and marks, by UID, at random. */
import { setTimeout as sleep } from 'node:timers/promises'
import { tokenOf } from '../../support/ledger.ts'
import { type Answer, expand, fetched, ImapClient, Unexpected } from '../imap-client.ts'
import { address } from '../load/load.ts'
import { Lost } from '../wire.ts'
import type { Act, Outcome } from './book.ts'
import { type Client, hostFor, type Run, unexpected } from './clients.ts'

/** Where it moves messages to. */
export const KEPT = 'Kept'

export interface Imapper extends Client {
  readonly boxes: readonly string[]
}

export async function imapper(run: Run, client: Imapper): Promise<void> {
  await sleep(client.random(40))
  for (const [n, box] of client.boxes.entries()) {
    try {
      await session(run, client, { box, by: `${client.name}.${n}` })
    } catch (err) {
      if (err instanceof Unexpected) unexpected(run, client, err.message)
      else if (!(err instanceof Lost)) throw err
    }
  }
}

interface Selected {
  readonly by: string
  readonly box: string
  readonly uidvalidity: number
  /** By UID, as first seen. */
  readonly tokens: ReadonlyMap<number, string>
  readonly say: (line: string) => Promise<Answer>
}

async function session(run: Run, client: Imapper, { box, by }: { box: string; by: string }): Promise<void> {
  const imap = await ImapClient.login(hostFor(run, client, 'imaps').where('imaps'), { user: address(run.user), password: client.password })
  const drop = () => imap.close()
  const say = async (line: string): Promise<Answer> => {
    const command = line.split(' ').slice(0, 2).join(' ')
    await run.at({ client: client.name, command, phase: 'before', drop })
    const answer = imap.command(line)
    answer.catch(() => {})
    await run.at({ client: client.name, command, phase: 'sent', drop })
    const said = await answer
    await run.at({ client: client.name, command, phase: 'after', drop })
    if (said.status !== 'OK') unexpected(run, client, `${line}: ${said.text}`)
    return said
  }
  try {
    const { untagged } = await say(`SELECT "${box}"`)
    const uidvalidity = Number(untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find((n) => n !== undefined))
    const found = await say('UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Token)])')
    const tokens = new Map<number, string>()
    for (const response of found.untagged) {
      const { uid, literal } = fetched(response) ?? {}
      const token = literal === undefined ? undefined : tokenOf(literal)
      if (uid !== undefined && token !== undefined) tokens.set(uid, token)
    }
    const selected = { by, box, uidvalidity, tokens, say }
    for (let left = 1 + client.random(5); left > 0 && tokens.size > 0; left--) {
      await sleep(client.random(15))
      await act(run, client, selected)
    }
    await say('LOGOUT').catch(() => {})
  } finally {
    imap.close()
  }
}

async function act(run: Run, { random }: Client, selected: Selected): Promise<void> {
  const { say, tokens } = selected
  const all = [...tokens.keys()]
  const uids = [...new Set(Array.from({ length: 1 + random(2) }, () => all[random(all.length)]!))]
  const set = uids.join(',')
  const what = random(8)
  if (what < 2) await asked(run, selected, { line: `UID MOVE ${set} ${KEPT}`, acts: acts(selected, uids, 'move') })
  else if (what < 4) {
    const { status } = await say(`UID STORE ${set} +FLAGS.SILENT (\\Deleted)`)
    if (status === 'OK') await asked(run, selected, { line: `UID EXPUNGE ${set}`, acts: acts(selected, uids, 'gone') })
  } else if (what < 6) await asked(run, selected, { line: `UID STORE ${set} +FLAGS.SILENT (\\Flagged)`, acts: acts(selected, uids, 'flag') })
  else await say(what === 6 ? 'NOOP' : `UID FETCH ${set} (FLAGS RFC822.SIZE)`)
}

function acts({ tokens }: Selected, uids: readonly number[], kind: 'move' | 'gone' | 'flag'): Act[] {
  return uids.map((uid) => {
    const token = tokens.get(uid)!
    return kind === 'move' ? { kind, token, to: KEPT } : { kind, token }
  })
}

async function asked(
  run: Run,
  { by, box, uidvalidity, tokens, say }: Selected,
  { line, acts }: { line: string; acts: readonly Act[] },
): Promise<void> {
  const { book, ledger, user } = run
  const deed = book.begin(by, box, acts)
  let outcome: Outcome = 'doubt'
  try {
    const { status, untagged, text } = await say(line)
    outcome = status === 'OK' ? 'done' : status === 'UNKNOWN' ? 'doubt' : 'refused'
    if (status !== 'OK') return
    const moved = [text, ...untagged.map((one) => one.text)].map((said) => /COPYUID \d+ (\S+) /.exec(said)?.[1]).find((set) => set !== undefined)
    const uids = [...tokens].filter(([, token]) => acts.some((act) => act.token === token)).map(([uid]) => uid)
    if (acts[0]!.kind === 'flag') return
    for (const uid of acts[0]!.kind === 'gone' ? uids : expand(moved ?? '').filter((uid) => uid > 0)) ledger.expunged({ user, box, uidvalidity, uid })
  } finally {
    book.settle(deed, outcome)
  }
}
