/** Messages as parents and children: links in arrays, so that a tree may be as deep as a sender likes. */
import { No } from '../../reply.ts'
import type { Work } from '../../work.ts'
import { sortInTurns } from '../sort.ts'

/** The parent of all threads. */
export const ROOT = 0
const NONE = -1
/** Messages, and messages that others refer to and that are not among them. */
const MAX_NODES = 400_000
/** Steps towards the root that may be gone in all to see whether a link would close a loop. Only reference chains made to hurt need so many. */
const MAX_CLIMB = 20_000_000

export class ThreadTree {
  /** Which of the messages found it is; NONE for a dummy. */
  #message = new Int32Array(1024).fill(NONE)
  #parent = new Int32Array(1024).fill(NONE)
  #first = new Int32Array(1024).fill(NONE)
  #last = new Int32Array(1024).fill(NONE)
  #next = new Int32Array(1024).fill(NONE)
  #before = new Int32Array(1024).fill(NONE)
  #count = 1
  #climb = MAX_CLIMB

  get count(): number {
    return this.#count
  }

  /** A node with neither parent nor children. Throws No beyond the bound. */
  add(message = NONE): number {
    if (this.#count === MAX_NODES) throw new No('LIMIT', 'Too many messages and references to thread')
    if (this.#count === this.#message.length) this.#grow()
    this.#message[this.#count] = message
    return this.#count++
  }

  message(node: number): number {
    return this.#message[node]!
  }
  isDummy(node: number): boolean {
    return this.#message[node] === NONE
  }
  /** A dummy is a message after all. */
  fill(node: number, message: number): void {
    this.#message[node] = message
  }

  /** Of a node that has one. */
  parent(node: number): number {
    return this.#parent[node]!
  }
  hasParent(node: number): boolean {
    return this.#parent[node] !== NONE
  }
  isTop(node: number): boolean {
    return this.#parent[node] === ROOT
  }
  hasChildren(node: number): boolean {
    return this.#first[node] !== NONE
  }
  firstChild(node: number): number | undefined {
    return this.hasChildren(node) ? this.#first[node]! : undefined
  }
  hasOneChild(node: number): boolean {
    return this.hasChildren(node) && this.#first[node] === this.#last[node]
  }
  children(node: number): number[] {
    const children: number[] = []
    for (let child = this.#first[node]!; child !== NONE; child = this.#next[child]!) children.push(child)
    return children
  }

  /** Makes the node the parent's last child, and no longer anybody else's. */
  append(parent: number, node: number): void {
    this.cut(node)
    const last = this.#last[parent]!
    this.#parent[node] = parent
    this.#before[node] = last
    if (last === NONE) this.#first[parent] = node
    else this.#next[last] = node
    this.#last[parent] = node
  }

  /** Leaves the node without a parent. */
  cut(node: number): void {
    const parent = this.#parent[node]!
    if (parent === NONE) return
    const [before, next] = [this.#before[node]!, this.#next[node]!]
    if (before === NONE) this.#first[parent] = next
    else this.#next[before] = next
    if (next === NONE) this.#last[parent] = before
    else this.#before[next] = before
    this.#parent[node] = this.#before[node] = this.#next[node] = NONE
  }

  /** Whether the node may not become the parent's child, being above it. True also where finding out would take too long. */
  wouldLoop(parent: number, node: number): boolean {
    if (parent === node) return true
    if (!this.hasChildren(node)) return false
    for (let at = this.#parent[parent]!; at !== NONE; at = this.#parent[at]!) if (at === node || --this.#climb < 0) return true
    return false
  }

  /** Every node below the root, parents before their children. */
  below(): number[] {
    const order: number[] = []
    const open = [ROOT]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node !== ROOT) order.push(node)
      for (let child = this.#last[node]!; child !== NONE; child = this.#before[child]!) open.push(child)
    }
    return order
  }

  /** Puts a node's children in order. `compare` makes a difference of any two. */
  async sortChildren(node: number, compare: (a: number, b: number) => number, work: Pick<Work, 'over' | 'pass'>): Promise<void> {
    if (!this.hasChildren(node) || this.hasOneChild(node)) return
    const children = this.children(node)
    const order = await sortInTurns(children.length, (a, b) => compare(children[a]!, children[b]!), work)
    for (const at of order) this.append(node, children[at]!)
  }

  #grow(): void {
    const longer = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(old.length * 2).fill(NONE, old.length)
      grown.set(old)
      return grown
    }
    this.#message = longer(this.#message)
    this.#parent = longer(this.#parent)
    this.#first = longer(this.#first)
    this.#last = longer(this.#last)
    this.#next = longer(this.#next)
    this.#before = longer(this.#before)
  }
}
