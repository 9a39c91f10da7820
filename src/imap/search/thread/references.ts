/** THREAD=REFERENCES: by what messages say they answer, and then by their subjects. The steps are those of RFC 5256 §3. */
import { collectFields } from '../../../mail/header.ts'
import { messageIds } from '../../../mail/message-ids.ts'
import type { ContentRow } from '../../../store/mailstore.ts'
import { eachKeys, type KeyKind } from '../content-keys.ts'
import { KeyCache } from '../key-cache.ts'
import type { Found, SearchContext } from '../run.ts'
import { type Subjects, subjectsOf } from './algorithm.ts'
import { ROOT, ThreadTree } from './tree.ts'

/** References of one message that count: the first one, and the last ones. */
const MAX_REFERENCES = 500
const FIELDS = new Set(['message-id', 'references', 'in-reply-to'])

interface ReferenceKeys {
  readonly id: string | undefined
  readonly references: readonly string[]
}

const REFERENCE_KEYS: KeyKind<ReferenceKeys> = {
  cache: new KeyCache(),
  want: ['header'],
  make: ({ header }: ContentRow) => {
    const fields = collectFields(header!, FIELDS)
    const ids = messageIds(fields.get('references')?.[0] ?? '')
    const references = ids.length > 0 ? ids : messageIds(fields.get('in-reply-to')?.[0] ?? '', 1)
    return {
      id: messageIds(fields.get('message-id')?.[0] ?? '', 1)[0],
      references: references.length > MAX_REFERENCES ? [references[0]!, ...references.slice(1 - MAX_REFERENCES)] : references,
    }
  },
  texts: ({ id = '', references }) => references.reduce((sum, one) => sum + one.length + 40, id.length),
  none: { id: undefined, references: [] },
}

export async function byReferences(context: SearchContext, found: Found): Promise<ThreadTree> {
  const subjects = await subjectsOf(context, found)
  const tree = new ThreadTree()
  await link(context, found, tree)
  for (let node = 1; node < tree.count; node++) if (!tree.hasParent(node)) tree.append(ROOT, node)
  prune(tree)
  const before = beforeOf(tree, subjects)
  const { work } = context
  for (const top of tree.children(ROOT)) if (tree.isDummy(top)) await tree.sortChildren(top, before, work)
  await tree.sortChildren(ROOT, before, work)
  gather(tree, subjects)
  // Children before their parents.
  for (const node of tree.below().reverse()) {
    await tree.sortChildren(node, before, work)
    if (work.over) await work.pass()
  }
  await tree.sortChildren(ROOT, before, work)
  return tree
}

/** Step 1. */
async function link(context: SearchContext, { msns }: Found, tree: ThreadTree): Promise<void> {
  const nodes = new Map<string, number>()
  const nodeOf = (id: string): number => {
    let node = nodes.get(id)
    if (node === undefined) nodes.set(id, (node = tree.add()))
    return node
  }
  const own = (id: string | undefined, message: number): number => {
    // The same id a second time is nobody's.
    const node = id === undefined ? undefined : nodeOf(id)
    if (node === undefined || !tree.isDummy(node)) return tree.add(message)
    tree.fill(node, message)
    return node
  }
  await eachKeys(context, msns, REFERENCE_KEYS, ({ id, references }, message) => {
    let parent: number | undefined
    for (const reference of references) {
      const node = nodeOf(reference)
      if (parent !== undefined && !tree.hasParent(node) && !tree.wouldLoop(parent, node)) tree.append(parent, node)
      parent = node
    }
    const node = own(id, message)
    // What it says itself of its parent is better than what others said: their list may have been cut short.
    tree.cut(node)
    if (parent !== undefined && !tree.wouldLoop(parent, node)) tree.append(parent, node)
  })
}

/** Step 3: dummies go, and what is below them takes their place; at the top only where that is one message. */
function prune(tree: ThreadTree): void {
  for (const node of tree.below().reverse()) {
    if (!tree.isDummy(node)) continue
    if (tree.hasChildren(node) && tree.isTop(node) && !tree.hasOneChild(node)) continue
    const parent = tree.parent(node)
    for (const child of tree.children(node)) tree.append(parent, child)
    tree.cut(node)
  }
}

/** By sent date, then by sequence number; a dummy stands where its first child would. Steps 4 and 6. */
function beforeOf(tree: ThreadTree, { sent }: Subjects): (a: number, b: number) => number {
  return (a, b) => {
    const [x, y] = [speaker(tree, a), speaker(tree, b)]
    return sent[x]! - sent[y]! || x - y
  }
}

/** The message that a node is known by: its own, or a dummy's first child. */
const speaker = (tree: ThreadTree, node: number): number => tree.message(tree.isDummy(node) ? tree.firstChild(node)! : node)

/** Step 5: threads of one subject become one. */
function gather(tree: ThreadTree, { subject, isReply }: Subjects): void {
  const table = new Map<string, number>()
  const subjectOf = (node: number): string => subject[speaker(tree, node)]!
  const replies = (node: number): boolean => !tree.isDummy(node) && isReply[tree.message(node)]!
  const tops = tree.children(ROOT)
  for (const node of tops) {
    const text = subjectOf(node)
    if (text === '') continue
    const known = table.get(text)
    if (known === undefined || (!tree.isDummy(known) && (tree.isDummy(node) || (replies(known) && !replies(node))))) table.set(text, node)
  }
  for (const node of tops) {
    // One that went below another is no longer at the top.
    const text = tree.isTop(node) ? subjectOf(node) : ''
    const known = table.get(text)
    if (text !== '' && known !== undefined && known !== node) table.set(text, merge(tree, known, node, replies))
  }
}

/** Returns what the subject is known by from now on. */
function merge(tree: ThreadTree, known: number, node: number, replies: (node: number) => boolean): number {
  if (tree.isDummy(known) && tree.isDummy(node)) {
    for (const child of tree.children(node)) tree.append(known, child)
    tree.cut(node)
  } else if (tree.isDummy(known) || (replies(node) && !replies(known))) tree.append(known, node)
  else {
    const both = tree.add()
    tree.append(ROOT, both)
    tree.append(both, known)
    tree.append(both, node)
    return both
  }
  return known
}
