/** Pokes within one process. */
import type { Log } from '../../log.ts'
import { type Bus, type Carried, MAX_CARRIED, type Topic } from '../bus.ts'

type Heard = (at: number, carried: readonly Carried[]) => void

/** What is to be told of one topic. */
export interface Waiting {
  at: number
  readonly carried: Carried[]
}

/** A poke on top of what waits: the highest modseq, and the first of what is carried, since what follows a gap is of no use. */
export function addPoke(waiting: Map<string, Waiting>, key: string, at: number, carried: readonly Carried[] = []): void {
  const poke = waiting.get(key) ?? { at: 0, carried: [] }
  poke.at = Math.max(at, poke.at)
  poke.carried.push(...carried.slice(0, MAX_CARRIED - poke.carried.length))
  waiting.set(key, poke)
}

const keyOf = (topic: Topic): string => `${topic.account}/${topic.of}`

/**
 * A bus of this process only. Pokes are told on the loop's next turn, several of one topic as one with the highest `at`;
 * what nobody watches is dropped at once, so what waits is bounded by the topics that are watched.
 */
export function createMemoryBus(log: Log): Bus {
  const watchers = new Map<string, Set<Heard>>()
  let waiting = new Map<string, Waiting>()
  let turn: NodeJS.Immediate | undefined

  function tell(): void {
    turn = undefined
    const told = waiting
    waiting = new Map()
    for (const [key, { at, carried }] of told) {
      for (const heard of [...(watchers.get(key) ?? [])]) {
        // An earlier watcher of this turn may have stopped this one.
        if (!watchers.get(key)?.has(heard)) continue
        try {
          heard(at, carried)
        } catch (err) {
          log.error({ err, topic: key }, 'a watcher of the bus failed')
        }
      }
    }
  }

  return {
    poke(topic, at, carried) {
      const key = keyOf(topic)
      if (!watchers.has(key)) return
      addPoke(waiting, key, at, carried)
      turn ??= setImmediate(tell)
    },
    watch(topic, heard) {
      const key = keyOf(topic)
      // One function may watch twice; each watch ends by itself.
      const own: Heard = (at, carried) => heard(at, carried)
      const set = watchers.get(key) ?? new Set<Heard>()
      watchers.set(key, set.add(own))
      return () => {
        set.delete(own)
        if (set.size === 0 && watchers.get(key) === set) watchers.delete(key)
      }
    },
    silentFor: () => 0,
    async close() {
      if (turn) clearImmediate(turn)
      turn = undefined
      watchers.clear()
      waiting.clear()
    },
  }
}
