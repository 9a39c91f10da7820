/** Edits the list of mailboxes in a config file by hand's rules: comments, order, owner and mode stay, and a reader sees the old file or the new one. */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Document, isMap, isSeq, type YAMLMap, YAMLSeq } from 'yaml'
import { faultOf } from '../file-faults.ts'
import { ConfigRefused, type Source } from './complain.ts'
import { checkConfig, type Loaded, parseConfig, readConfig } from './load.ts'
import type { Words } from './schema.ts'

export interface NewMailbox {
  readonly address: string
  readonly password_hash: string
  readonly scram?: string
  readonly name?: string
}

/** One edit; others of other processes wait. `change` throws ConfigRefused for what it will not do. The file is checked before and after. */
export async function editConfig(file: string, words: Words, change: (loaded: Loaded) => void): Promise<void> {
  readConfig(file) // says that it is not there before a lock is made beside it
  await locked(file, () => {
    const source = readConfig(file)
    change(checkConfig(source, words))
    // Of several hosts' files this is the newest now.
    const generation = source.doc.get('generation')
    if (typeof generation === 'number') source.doc.set('generation', generation + 1)
    const text = source.doc.toString({ lineWidth: 0, flowCollectionPadding: false })
    checkConfig(parseConfig(file, text), words)
    replaceFile(file, text)
  })
}

export function addMailbox({ doc }: Source, mailbox: NewMailbox): void {
  let list = doc.get('mailboxes')
  if (!isSeq(list)) {
    list = new YAMLSeq()
    doc.set('mailboxes', list)
  }
  const seq = list as YAMLSeq
  seq.flow = false
  seq.add(doc.createNode(mailbox))
}

/** `index` of the checked config: the file's list has the same order. */
export function setPassword({ doc }: Source, index: number, { hash, scram }: { readonly hash: string; readonly scram: string | undefined }): void {
  doc.setIn(['mailboxes', index, 'password_hash'], hash)
  if (scram === undefined) doc.deleteIn(['mailboxes', index, 'scram'])
  else doc.setIn(['mailboxes', index, 'scram'], scram)
}

export interface NewAppPassword {
  readonly name: string
  readonly hash: string
  readonly scram?: string
  readonly scopes: readonly string[]
}

export function addAppPassword({ doc }: Source, mailbox: number, password: NewAppPassword): void {
  const path = ['mailboxes', mailbox, 'app_passwords']
  if (!isSeq(doc.getIn(path))) doc.setIn(path, new YAMLSeq())
  const list = doc.getIn(path) as YAMLSeq
  list.flow = false
  const node = doc.createNode(password) as YAMLMap
  ;(node.get('scopes') as YAMLSeq).flow = true
  list.add(node)
}

/** The list goes with its last entry. */
export function removeAppPassword({ doc }: Source, mailbox: number, index: number): void {
  const path = ['mailboxes', mailbox, 'app_passwords']
  doc.deleteIn([...path, index])
  if ((doc.getIn(path) as YAMLSeq).items.length === 0) doc.deleteIn(path)
}

export function removeMailbox({ doc }: Source, index: number): void {
  keepComment(doc, index)
  doc.deleteIn(['mailboxes', index])
}

/** The comment before the first entry belongs to the list as much as to the entry. */
function keepComment(doc: Document, index: number): void {
  const list = doc.get('mailboxes')
  if (!isSeq(list) || index > 0) return
  const [first, second] = list.items as YAMLMap[]
  if (isMap(first) && isMap(second) && first.commentBefore)
    second.commentBefore = [first.commentBefore, second.commentBefore].filter(Boolean).join('\n')
}

/** Writes by rename, synced, with the owner and the mode that the file had. */
export function replaceFile(path: string, text: string): void {
  const file = realpathSync(path) // a link stays a link
  const { mode, uid, gid } = statSync(file)
  const next = `${file}.${process.pid}.new`
  try {
    const fd = openSync(next, 'wx', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    const made = statSync(next)
    if (made.uid !== uid || made.gid !== gid) giveTo(next, uid, gid)
    chmodSync(next, mode & 0o7777)
    renameSync(next, file)
  } catch (cause) {
    rmSync(next, { force: true })
    throw new ConfigRefused(`${file} cannot be written: ${faultOf(cause)}`, { cause })
  }
}

function giveTo(file: string, uid: number, gid: number): void {
  try {
    chownSync(file, uid, gid)
  } catch (cause) {
    throw new Error(`it belongs to user ${uid}, group ${gid}, and only root could leave it to them`, { cause })
  }
}

const LOCK_WAIT = 10_000
const LOCK_POLL = 25

async function locked(file: string, edit: () => void): Promise<void> {
  const lock = `${file}.lock`
  const until = performance.now() + LOCK_WAIT
  while (!take(lock)) {
    if (performance.now() > until) throw new ConfigRefused(`${file} is being edited by another command; if none runs, remove ${lock}`)
    await sleep(LOCK_POLL)
  }
  try {
    edit()
  } finally {
    rmSync(lock, { force: true })
  }
}

function take(lock: string): boolean {
  try {
    writeFileSync(lock, `${process.pid}\n`, { flag: 'wx' })
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      // On a full disk it is made, and empty: it would keep everybody out.
      removeOwn(lock)
      throw new ConfigRefused(`${lock} cannot be made: ${faultOf(cause)}`, { cause })
    }
    if (isDead(lock)) rmSync(lock, { force: true })
    return false
  }
}

function removeOwn(lock: string): void {
  try {
    if (readFileSync(lock, 'latin1') === '') rmSync(lock)
  } catch {
    // It was not made.
  }
}

/** An edit takes milliseconds: a lock whose process is gone was left by one that was killed. */
function isDead(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(lock, 'latin1')), 0)
    return false
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
