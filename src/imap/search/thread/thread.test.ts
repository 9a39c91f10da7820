import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keptOutput } from '../../../../test/support/messages.ts'
import { seeded } from '../../../../test/support/random.ts'
import { type Mail, threads } from '../../../../test/support/threads.ts'
import { baseSubject } from '../../../mail/base-subject.ts'
import { ResponseWriter } from '../../wire/write.ts'
import { Work } from '../../work.ts'
import { orderedSubject } from './ordered-subject.ts'
import { byReferences } from './references.ts'
import { ROOT, ThreadTree } from './tree.ts'
import { writeThreads } from './write.ts'

describe('REFERENCES', () => {
  const cases: [name: string, mails: Mail[], threads: string][] = [
    ['nothing', [], ''],
    ['one', [{ id: 'a' }], '(1)'],
    ['a chain', [{ id: 'a' }, { id: 'b', refs: ['a'] }, { id: 'c', refs: ['a', 'b'] }], '(1 2 3)'],
    [
      'in any order',
      [
        { id: 'c', refs: ['a', 'b'], at: 3 },
        { id: 'b', refs: ['a'], at: 2 },
        { id: 'a', at: 1 },
      ],
      '(3 2 1)',
    ],
    ['In-Reply-To where References says nothing', [{ id: 'a' }, { id: 'b', replyTo: 'a' }, { id: 'c', refs: [], replyTo: 'b' }], '(1 2 3)'],
    ['References before In-Reply-To', [{ id: 'a' }, { id: 'b' }, { id: 'c', refs: ['a'], replyTo: 'b', at: 1 }], '(1 3)(2)'],
    ['branches by date', [{ id: 'a' }, { id: 'b', refs: ['a'], at: 9 }, { id: 'c', refs: ['a'], at: 5 }], '(1 (3)(2))'],
    [
      'a branch below a branch',
      [{ id: 'a' }, { id: 'b', refs: ['a'], at: 1 }, { id: 'c', refs: ['b'], at: 2 }, { id: 'd', refs: ['b'], at: 3 }],
      '(1 2 (3)(4))',
    ],
    [
      'siblings of a parent that is not there',
      [
        { id: 'b', refs: ['a'] },
        { id: 'c', refs: ['a'], at: 1 },
      ],
      '((1)(2))',
    ],
    ['an only child of one that is not there', [{ id: 'b', refs: ['a'] }], '(1)'],
    ['missing ones in between', [{ id: 'a' }, { id: 'd', refs: ['a', 'b', 'c'] }], '(1 2)'],
    [
      'missing ones at the top, twice',
      [
        { id: 'c', refs: ['a', 'b'] },
        { id: 'd', refs: ['a', 'b'], at: 1 },
      ],
      '((1)(2))',
    ],
    ['one id twice', [{ id: 'a' }, { id: 'a', at: 1 }, { id: 'b', refs: ['a'], at: 2 }], '(1 3)(2)'],
    ['no ids', [{}, { at: 1 }], '(1)(2)'],
    ['itself', [{ id: 'a', refs: ['a'] }], '(1)'],
    [
      'a ring',
      [
        { id: 'a', refs: ['b'] },
        { id: 'b', refs: ['a'], at: 1 },
      ],
      '(2 1)',
    ],
    ['a ring in one field', [{ id: 'c', refs: ['a', 'b', 'a'] }, { id: 'a' }, { id: 'b' }], '(2 1)(3)'],
    [
      'what a message says itself counts',
      [{ id: 'a' }, { id: 'x' }, { id: 'c', refs: ['a', 'b'], at: 2 }, { id: 'b', refs: ['x'], at: 1 }],
      '(1)(2 4 3)',
    ],
    ['none said means none', [{ id: 'a' }, { id: 'c', refs: ['a', 'b'], at: 2 }, { id: 'b', at: 1 }], '(1)(3 2)'],
    [
      'one subject, neither a reply',
      [
        { id: 'a', subject: 's' },
        { id: 'b', subject: 'S', at: 1 },
      ],
      '((1)(2))',
    ],
    [
      'a reply by subject',
      [
        { id: 'a', subject: 's' },
        { id: 'b', subject: 'Re: s', at: 1 },
      ],
      '(1 2)',
    ],
    [
      'a reply that came first',
      [
        { id: 'b', subject: 'Re: s' },
        { id: 'a', subject: 's', at: 1 },
      ],
      '(2 1)',
    ],
    [
      'two replies',
      [
        { id: 'a', subject: 'Re: s' },
        { id: 'b', subject: 'Re: s', at: 1 },
      ],
      '((1)(2))',
    ],
    ['three of one subject', [{ subject: 's' }, { subject: 's', at: 1 }, { subject: 's', at: 2 }], '((1)(2)(3))'],
    [
      'a missing parent takes those of its subject',
      [
        { refs: ['a'], subject: 'Re: s' },
        { refs: ['a'], subject: 'Re: s', at: 1 },
        { subject: 's', at: 2 },
      ],
      '((1)(2)(3))',
    ],
    [
      'two missing parents of one subject',
      [
        { refs: ['a'], subject: 's' },
        { refs: ['a'], subject: 's', at: 3 },
        { refs: ['b'], subject: 's', at: 2 },
        { refs: ['b'], subject: 's', at: 1 },
      ],
      '((1)(4)(3)(2))',
    ],
    ['empty subjects are not gathered', [{ subject: '' }, { subject: 'Re:', at: 1 }], '(1)(2)'],
    [
      'threads by their dates',
      [
        { subject: 'a', at: 9 },
        { subject: 'b', at: 3 },
        { subject: 'c', at: 5 },
      ],
      '(2)(3)(1)',
    ],
  ]
  for (const [name, mails, expected] of cases) test(name, async () => assert.equal(await threads(mails, byReferences), `* THREAD ${expected}`.trim()))
})

describe('ORDEREDSUBJECT', () => {
  const cases: [name: string, mails: Mail[], threads: string][] = [
    ['nothing', [], ''],
    ['one of each', [{ subject: 'b' }, { subject: 'a', at: 1 }], '(1)(2)'],
    ['two', [{ subject: 'b' }, { subject: 'Re: B', at: 1 }], '(1 2)'],
    [
      'there are no grandchildren',
      [
        { subject: 'b', at: 2 },
        { subject: 'b', at: 1 },
        { subject: 'fwd: b', at: 3 },
        { subject: 'a', at: 5 },
      ],
      '(2 (1)(3))(4)',
    ],
    ['empty ones are one subject', [{ subject: '' }, { at: 1 }], '(1 2)'],
  ]
  for (const [name, mails, expected] of cases)
    test(name, async () => assert.equal(await threads(mails, orderedSubject), `* THREAD ${expected}`.trim()))
})

/** The algorithm once more, with objects and recursion, as one would write it down. */
class Node {
  mail: number | undefined
  parent: Node | undefined
  children: Node[] = []
  constructor(mail?: number) {
    this.mail = mail
  }
  leave(): void {
    if (this.parent) this.parent.children = this.parent.children.filter((child) => child !== this)
    this.parent = undefined
  }
  join(parent: Node): void {
    this.leave()
    this.parent = parent
    parent.children.push(this)
  }
  isAbove(other: Node): boolean {
    for (let at: Node | undefined = other; at; at = at.parent) if (at === this) return true
    return false
  }
}
function oracle(mails: readonly Mail[]): string {
  const byId = new Map<string, Node>()
  const nodes: Node[] = []
  const make = (mail?: number): Node => nodes[nodes.push(new Node(mail)) - 1]!
  const get = (id: string): Node => byId.get(id) ?? byId.set(id, make()).get(id)!
  mails.forEach(({ id, refs = [], replyTo }, i) => {
    const list = refs.length > 0 ? refs : replyTo ? [replyTo] : []
    list.forEach((ref, at) => {
      const node = get(ref)
      const parent = at > 0 ? get(list[at - 1]!) : undefined
      if (parent && !node.parent && !node.isAbove(parent)) node.join(parent)
    })
    let own = id === undefined ? make() : get(id)
    if (own.mail !== undefined) own = make()
    own.mail = i
    own.leave()
    const last = list.at(-1)
    if (last !== undefined && !own.isAbove(get(last))) own.join(get(last))
  })
  const root = new Node()
  for (const node of nodes) if (!node.parent) node.join(root)
  const prune = (node: Node): void => {
    for (const child of [...node.children]) prune(child)
    if (node === root || node.mail !== undefined || (node.parent === root && node.children.length > 1)) return
    for (const child of [...node.children]) child.join(node.parent!)
    node.leave()
  }
  prune(root)
  const lead = (node: Node): number => node.mail ?? lead(node.children[0]!)
  const order = (node: Node): void => {
    node.children.forEach(order)
    node.children.sort((a, b) => (mails[lead(a)]!.at ?? 0) - (mails[lead(b)]!.at ?? 0) || lead(a) - lead(b))
  }
  order(root)
  const subject = (node: Node) => baseSubject(mails[lead(node)]!.subject ?? '')
  const replies = (node: Node): boolean => node.mail !== undefined && subject(node).isReply
  const table = new Map<string, Node>()
  for (const node of root.children) {
    const text = subject(node).text.toUpperCase()
    const known = table.get(text)
    if (text && (!known || (known.mail !== undefined && (node.mail === undefined || (replies(known) && !replies(node)))))) table.set(text, node)
  }
  for (const node of [...root.children]) {
    if (node.parent !== root) continue
    const text = subject(node).text.toUpperCase()
    const known = table.get(text)
    if (!text || !known || known === node) continue
    if (known.mail === undefined && node.mail === undefined) {
      for (const child of [...node.children]) child.join(known)
      node.leave()
    } else if (known.mail === undefined || (replies(node) && !replies(known))) node.join(known)
    else {
      const both = new Node()
      both.join(root)
      known.join(both)
      node.join(both)
      table.set(text, both)
    }
  }
  order(root)
  const write = (node: Node): string => {
    const own = node.mail === undefined ? '' : `${node.mail + 1}`
    const [only] = node.children
    if (!only) return own
    if (node.children.length === 1) return [own, write(only)].filter(Boolean).join(' ')
    return [own, node.children.map((child) => `(${write(child)})`).join('')].filter(Boolean).join(' ')
  }
  return `* THREAD ${root.children.map((node) => `(${write(node)})`).join('')}`.trim()
}

test('agrees with an oracle', async () => {
  const random = seeded(11)
  for (let round = 0; round < 300; round++) {
    const ids = 1 + random(8)
    const id = (): string => `i${random(ids)}`
    const subjects = ['', 's', 'Re: s', 't', 'Re: t', 'u (fwd)']
    const mails: Mail[] = Array.from({ length: 1 + random(14) }, () => ({
      id: random(6) === 0 ? undefined : id(),
      ...(random(2) === 0 && { refs: Array.from({ length: random(5) }, id) }),
      ...(random(3) === 0 && { replyTo: id() }),
      subject: subjects[random(subjects.length)]!,
      at: random(10),
    }))
    assert.equal(await threads(mails, byReferences), oracle(mails), JSON.stringify(mails))
  }
})

describe('hostile references', () => {
  const took = async (mails: Mail[]): Promise<number> => {
    const start = performance.now()
    await threads(mails, byReferences)
    return performance.now() - start
  }
  const count = 5_000

  test('a chain of thousands', async () => {
    const mails = Array.from({ length: count }, (_, i) => ({ id: `c${i}`, refs: i > 0 ? [`c${i - 1}`] : [], at: i }))
    assert.equal(await threads(mails, byReferences), `* THREAD (${mails.map((_, i) => i + 1).join(' ')})`)
  })

  test('a comb of thousands of teeth within each other', async () => {
    const mails = Array.from({ length: count }, (_, i) => ({ id: `d${i}`, refs: i > 1 ? [`d${(i & ~1) - 2}`] : [], at: i }))
    const text = await threads(mails, byReferences)
    assert.equal([...text].filter((c) => c === '(').length, [...text].filter((c) => c === ')').length)
    assert.deepEqual(new Set(text.match(/[0-9]+/g)!.map(Number)).size, count)
  })

  test('long fields of rings', async () => {
    const ring = Array.from({ length: 600 }, (_, i) => `e${i % 300}`)
    assert.ok((await took(Array.from({ length: 1_000 }, (_, i) => ({ id: `f${i}`, refs: ring })))) < 10_000)
  })

  test('a tree as deep as there are nodes', async () => {
    const tree = new ThreadTree()
    let parent = ROOT
    for (let i = 0; i < 300_000; i++) {
      const node = tree.add(i)
      tree.append(parent, node)
      parent = node
    }
    assert.equal(tree.below().length, 300_000)
    const kept = keptOutput()
    const work = new Work({ output: kept.output, ending: new AbortController().signal })
    await writeThreads(
      new ResponseWriter(kept.output),
      tree,
      Array.from({ length: 300_000 }, (_, i) => i + 1),
      work,
    )
    assert.ok((await kept.text()).endsWith(' 300000)\r\n'))
    // Whoever climbs all the way time and again is not believed any more.
    const start = performance.now()
    const top = tree.children(ROOT)[0]!
    for (let i = 0; i < 1_000; i++) assert.ok(tree.wouldLoop(parent, top))
    assert.ok(performance.now() - start < 5_000)
  })
})
