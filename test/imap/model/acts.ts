/** What clients of the model may do: each act tells the truth first, then asks the server, and what that says must fit. */
import assert from 'node:assert/strict'
import type { ModelClient } from './client.ts'
import { type Mode, numbersOf, type Truth } from './truth.ts'

export interface Scene {
  readonly truth: Truth
  readonly random: (n: number) => number
}

export type Act = (client: ModelClient, scene: Scene) => Promise<void>

export const KEYWORDS = ['k0', 'k1', 'k2']
const FLAGS = ['\\Seen', '\\Flagged', '\\Deleted', '\\Deleted', '\\Answered', ...KEYWORDS]
const MODES: Readonly<Record<string, Mode>> = { '+FLAGS': 'add', '-FLAGS': 'remove', FLAGS: 'replace' }

const flagsOf = (random: Scene['random']): string[] => [...new Set(Array.from({ length: random(3) + 1 }, () => FLAGS[random(FLAGS.length)]!))]

/** Messages as the client may name them: its own sequence numbers, or any UIDs, whether it was told of them or not. */
interface Named {
  readonly by: '' | 'UID '
  readonly set: string
  readonly uids: readonly number[]
}
function named({ uids }: ModelClient, { truth, random }: Scene): Named {
  if (uids.length === 0 || random(2) === 0) {
    const first = 1 + random(truth.uidnext)
    const last = first + random(6)
    return { by: 'UID ', set: `${first}:${last}`, uids: numbersOf(`${first}:${last}`) }
  }
  const msns = [1 + random(uids.length), 1 + random(uids.length)].sort((a, b) => a - b) as [number, number]
  const all = random(3) === 0 ? numbersOf(`${msns[0]}:${Math.min(msns[1], msns[0] + 6)}`) : msns
  return { by: '', set: all.join(','), uids: [...new Set(all.map((n) => uids[n - 1]!))] }
}
const levelOf = ({ by }: Named): 'all' | 'no-expunge' => (by === '' ? 'no-expunge' : 'all')

async function ok(client: ModelClient, text: string, level: 'all' | 'no-expunge' = 'all'): Promise<void> {
  assert.match(await client.command(text, level), /^OK /, text)
  client.agree(level)
}

const store: Act = async (client, scene) => {
  const { truth, random } = scene
  const what = named(client, scene)
  const [item, mode] = Object.entries(MODES)[random(3)]!
  const names = flagsOf(random)
  const isSilent = random(2) === 0
  const isConditional = client.kind !== 'plain' && random(2) === 0
  // 0 has a rule of its own for keywords.
  const since = isConditional ? Math.max(1, truth.modseq - random(8)) : undefined
  const gone = what.by === '' ? what.uids.filter((uid) => !truth.messages.has(uid)) : []
  const failed = [...truth.store(what.uids, mode, names, since), ...(isConditional ? gone : [])]
  const text = `${what.by}STORE ${what.set}${isConditional ? ` (UNCHANGEDSINCE ${since})` : ''} ${item}${isSilent ? '.SILENT' : ''} (${names.join(' ')})`
  const before = [...client.uids]
  if (isSilent) {
    const done = what.uids.filter((uid) => !failed.includes(uid))
    client.assume(done, mode, names)
  }
  const answer = await client.command(text, levelOf(what))
  const modified = numbersOf(/\[MODIFIED (\S+)\]/.exec(answer)?.[1] ?? '0').filter((n) => n > 0)
  const wanted = (what.by === '' ? failed.map((uid) => before.indexOf(uid) + 1) : failed).sort((a, b) => a - b)
  assert.deepEqual(modified, wanted, text)
  assert.match(answer, isConditional && gone.length > 0 ? /^NO / : /^OK /, text)
  client.agree(levelOf(what))
}

const fetch: Act = async (client, scene) => {
  const { truth, random } = scene
  const what = named(client, scene)
  if (client.kind === 'plain') return await ok(client, `${what.by}FETCH ${what.set} (FLAGS)`, levelOf(what))
  const since = random(truth.modseq + 1)
  const vanished = client.kind === 'qresync' && what.by !== '' ? ' VANISHED' : ''
  await ok(client, `${what.by}FETCH ${what.set} (FLAGS) (CHANGEDSINCE ${since}${vanished})`, levelOf(what))
}

const read: Act = async (client, scene) => {
  // What is \Seen already as far as its process knows stays as it is; and unlike STORE it touches only what the client was told of.
  if (!client.hearsAtOnce) await ok(client, 'NOOP')
  const what = named(client, scene)
  if (!client.readOnly)
    scene.truth.store(
      what.uids.filter((uid) => client.uids.includes(uid)),
      'add',
      ['\\Seen'],
    )
  const answer = await client.command(`${what.by}FETCH ${what.set} (UID BODY[TEXT]<0.1>)`, levelOf(what))
  assert.match(answer, /^OK |^NO \[EXPUNGEISSUED\]/)
  client.agree(levelOf(what))
}

const append: Act = async (client, { truth, random }) => {
  const flags = random(3) === 0 ? flagsOf(random) : []
  truth.append(flags)
  await ok(client, `APPEND INBOX (${flags.join(' ')}) {2+}\r\nab`)
}

const expunge: Act = async (client, { truth }) => {
  truth.expunge(truth.uids)
  await ok(client, 'EXPUNGE')
}
const uidExpunge: Act = async (client, { truth, random }) => {
  const first = 1 + random(truth.uidnext)
  const set = `${first}:${first + random(20)}`
  truth.expunge(numbersOf(set))
  await ok(client, `UID EXPUNGE ${set}`)
}

const copy: Act = async (client, scene) => {
  const what = named(client, scene)
  if (scene.truth.messages.size > 60) return await noop(client, scene)
  scene.truth.copy(what.uids)
  await ok(client, `${what.by}COPY ${what.set} INBOX`)
}
const move: Act = async (client, scene) => {
  const what = named(client, scene)
  const into = scene.random(2) === 0 ? 'same' : 'other'
  scene.truth.move(what.uids, into)
  await ok(client, `${what.by}MOVE ${what.set} ${into === 'same' ? 'INBOX' : 'Trash'}`)
}

const noop: Act = (client, { random }) => ok(client, ['NOOP', 'CHECK', 'STATUS INBOX (MESSAGES)'][random(3)]!)
const search: Act = async (client, scene) => {
  const { by } = named(client, scene)
  await ok(client, `${by}SEARCH UNSEEN`, by === '' ? 'no-expunge' : 'all')
}
const idle: Act = (client) => client.idle()

const open = (client: ModelClient, { random }: Scene): Promise<void> =>
  client.open(random(4) === 0 ? 'EXAMINE' : 'SELECT', { known: random(2) === 0, pairs: random(2) === 0 })
/** Leaves by CLOSE, by another SELECT, or because the line breaks, and comes back after others had time to act. */
const leave: Act = async (client, scene) => {
  const way = scene.random(4)
  if (way === 0) client.drop()
  else if (way === 1) {
    if (!client.readOnly) scene.truth.expunge(scene.truth.uids)
    await client.close()
    await open(client, scene)
  } else await open(client, scene)
}
export const comeBack: Act = async (client, scene) => {
  await client.connect()
  await open(client, scene)
}

/** As often as they stand here. */
export const WRITES: readonly Act[] = [store, store, store, store, store, store, read, expunge, uidExpunge, move]
export const READS: readonly Act[] = [fetch, fetch, append, append, append, copy, noop, search, idle, leave]
