/**
 * Questions to Redis: each goes to the node that has the key, by that node's own line. A node that is away takes nothing from the others. Nothing here throws, waits for
 * Redis to come back, or queues for it.
 */
import type { ChainableCommander, Redis } from 'ioredis'
import type { Log } from '../../log.ts'
import type { Complain } from './connection.ts'
import { createLine, type Line, type Outcome } from './line.ts'
import type { Topology } from './topology.ts'
import type { Where } from './where.ts'

/** Milliseconds for an answer, unless it says otherwise. */
export const ANSWER_MS = 200

export interface Link {
  /** What all keys and channels begin with, without the colon. */
  readonly prefix: string
  /** The answer of the node that has `key`, or undefined: it is away, busy, or refused. Never throws. */
  ask<T>(key: string, use: (redis: Redis) => Promise<T>, ms?: number): Promise<T | undefined>
  /** A command or more for each of `all`, in one pipeline a node. Answers those for which not all was done. Never throws. */
  each<T>(all: readonly T[], keyOf: (one: T) => string, add: (to: ChainableCommander, one: T, node: string) => unknown): Promise<T[]>
  close(): Promise<void>
}

export interface LinkOptions {
  readonly where: Where
  readonly topology: Topology
  readonly log: Log
  readonly complain: Complain
  readonly answerMs?: number
}

export function createLink({ where, topology, log, complain, answerMs = ANSWER_MS }: LinkOptions): Link {
  const lines = new Map<string, Line>()
  let closed = false

  function follow(): void {
    if (closed) return
    for (const [name, line] of lines) {
      if (topology.layout.nodes.has(name)) continue
      lines.delete(name)
      void line.close()
    }
    for (const [name, node] of topology.layout.nodes)
      if (!lines.has(name)) lines.set(name, createLine({ where, node, log, complain, amiss: () => void topology.look() }))
  }
  topology.onChange(follow)
  follow()

  /** One Redis that says it is a replica, or a node of a Cluster, was named by mistake. */
  const refused = (err: Refused): void => {
    // What made it give a transaction up says more than that it did.
    if (where.kind === 'one' || !isElsewhere(err)) complain(err.previousErrors?.[0] ?? err, 'Redis refused a question: going on without it')
  }

  async function askNode<T>(node: string | undefined, use: (redis: Redis) => Promise<T>, ms: number): Promise<Outcome<T>> {
    const outcome = await (node === undefined ? undefined : lines.get(node)?.ask(use, ms))
    if (!outcome) void topology.look()
    else if ('refused' in outcome) refused(outcome.refused)
    return outcome
  }

  /** One round of `each`: what was not done, and whether it may be done elsewhere. */
  async function round<T>(all: readonly T[], keyOf: (one: T) => string, add: (to: ChainableCommander, one: T, node: string) => unknown) {
    const byNode = Map.groupBy(all, (one) => topology.layout.nodeOf(keyOf(one)))
    const left: T[] = []
    const elsewhere: T[] = []
    await Promise.all(
      [...byNode].map(async ([node, some]) => {
        const ends: number[] = []
        const outcome = await askNode(
          node,
          (redis) => {
            const pipeline = redis.pipeline()
            for (const one of some) {
              add(pipeline, one, node!)
              ends.push(pipeline.length)
            }
            return pipeline.exec()
          },
          answerMs,
        )
        const replies = (outcome && 'answer' in outcome && outcome.answer) || undefined
        some.forEach((one, i) => {
          const err = replies ? replies.slice(ends[i - 1] ?? 0, ends[i]).find(([wrong]) => wrong)?.[0] : undefined
          if (replies && !err) return
          if (err && isElsewhere(err)) elsewhere.push(one)
          else left.push(one)
          if (err) refused(err)
        })
      }),
    )
    return { left, elsewhere }
  }

  /** Not longer than an answer may take: where everything is now. */
  const looked = (ms: number): Promise<unknown> => Promise.race([topology.look(), new Promise((done) => setTimeout(done, ms).unref())])

  return {
    prefix: where.prefix,
    async ask(key, use, ms = answerMs) {
      const node = topology.layout.nodeOf(key)
      const outcome = await askNode(node, use, ms)
      if (!outcome || 'answer' in outcome) return outcome?.answer
      if (!isElsewhere(outcome.refused)) return undefined
      await looked(ms)
      const now = topology.layout.nodeOf(key)
      if (now === node) return undefined
      const again = await askNode(now, use, ms)
      return again && 'answer' in again ? again.answer : undefined
    },
    async each(all, keyOf, add) {
      const { left, elsewhere } = await round(all, keyOf, add)
      if (elsewhere.length === 0) return left
      await looked(answerMs)
      const again = await round(elsewhere, keyOf, add)
      return [...left, ...again.left, ...again.elsewhere]
    },
    async close() {
      closed = true
      await Promise.all([...lines.values()].map((line) => line.close()))
    },
  }
}

type Refused = Error & { readonly previousErrors?: readonly Error[] }

/** Whether the node says that it is not, or not yet, the one to ask. What was refused so was not done. */
function isElsewhere(err: Refused): boolean {
  if (/^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|LOADING)\b/.test(err.message)) return true
  return err.message.startsWith('EXECABORT') && (err.previousErrors ?? []).some(isElsewhere)
}
