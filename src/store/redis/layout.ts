/** Which node has what: one for everything on one Redis or behind Sentinels, by slot in a Cluster. What nodes and sentinels say of it is checked here. */
import { createHash } from 'node:crypto'
import { SLOTS, slotOf } from './slots.ts'
import type { Address, Where } from './where.ts'

export type Node = Address | { readonly path: string }

export interface Layout {
  /** By name: `host:port`, or the path of a socket. */
  readonly nodes: ReadonlyMap<string, Node>
  /** The name of the node that has this key or channel; undefined while none has. */
  nodeOf(key: string): string | undefined
  /** Every key has a node. */
  readonly whole: boolean
  /** Two with the same mark say the same. */
  readonly mark: string
  /** What a heartbeat's channel ends with, so that it passes by this node: each process finds the same. */
  pulseOf(node: string): string
}

/** What somebody said of the layout; of two the one with the higher epoch is newer. */
export interface Told {
  readonly epoch: number
  readonly layout: Layout
}

/** Nodes of a Cluster that serve slots; more than Redis recommends. */
const MAX_NODES = 1_000
/** Numbers that are tried for one that falls to each node. */
const MAX_TAGS = 200_000

const nameOf = (node: Node): string => ('path' in node ? node.path : `${node.host}:${node.port}`)

export function oneNode(node: Node): Layout {
  const name = nameOf(node)
  return { nodes: new Map([[name, node]]), nodeOf: () => name, whole: true, mark: name, pulseOf: () => '' }
}

/** What is known of where everything is before anybody was asked. */
export function firstLayout(where: Where): Layout {
  return where.kind === 'one' ? oneNode(where.at) : { nodes: new Map(), nodeOf: () => undefined, whole: false, mark: '', pulseOf: () => '' }
}

/** The answer to SENTINEL MASTER: names and values in turn. undefined for anything else. */
export function readSentinel(reply: unknown): Told | undefined {
  if (!Array.isArray(reply)) return undefined
  const fields = new Map<unknown, unknown>()
  for (let i = 0; i + 1 < reply.length; i += 2) fields.set(reply[i], reply[i + 1])
  const at = readAddress(fields.get('ip'), Number(fields.get('port')))
  const epoch = Number(fields.get('config-epoch') ?? 0)
  return at && Number.isSafeInteger(epoch) ? { epoch, layout: oneNode(at) } : undefined
}

/** The answers to CLUSTER INFO and CLUSTER SLOTS of the node at `asked`. undefined for anything else. */
export function readCluster(info: unknown, slots: unknown, asked: Address): Told | undefined {
  if (typeof info !== 'string' || !Array.isArray(slots)) return undefined
  const epoch = Number(/^cluster_current_epoch:(\d{1,15})\r?$/m.exec(info)?.[1])
  if (!Number.isSafeInteger(epoch)) return undefined
  const nodes = new Map<string, Address>()
  const numbers = new Map<string, number>()
  const owners = new Int16Array(SLOTS).fill(-1)
  for (const range of slots) {
    const [from, to, primary] = Array.isArray(range) ? range : []
    if (!isSlot(from) || !isSlot(to) || !Array.isArray(primary)) return undefined
    // A node that does not know its own name is the one that was asked.
    const at = readAddress(primary[0] || asked.host, primary[1])
    if (!at || nodes.size > MAX_NODES) return undefined
    const name = nameOf(at)
    nodes.set(name, at)
    if (!numbers.has(name)) numbers.set(name, numbers.size)
    owners.fill(numbers.get(name)!, from, to + 1)
  }
  return nodes.size === 0 ? undefined : { epoch, layout: clusterLayout(nodes, owners) }
}

function clusterLayout(nodes: ReadonlyMap<string, Address>, owners: Int16Array): Layout {
  const names = [...nodes.keys()]
  const nodeOf = (key: string): string | undefined => names[owners[slotOf(key)]!]
  const pulses = new Map<string, string>()
  for (let tag = 0; pulses.size < names.length && tag < MAX_TAGS; tag++) {
    const node = nodeOf(`{${tag}}`)
    if (node !== undefined && !pulses.has(node)) pulses.set(node, `:{${tag}}`)
  }
  // By name, not by number: two nodes may list the same in another order.
  const mark = createHash('sha256')
  for (const owner of owners) mark.update(`${names[owner]} `)
  return { nodes, nodeOf, whole: !owners.includes(-1), mark: mark.digest('hex'), pulseOf: (node) => pulses.get(node) ?? '' }
}

const isSlot = (slot: unknown): slot is number => Number.isInteger(slot) && (slot as number) >= 0 && (slot as number) < SLOTS

function readAddress(host: unknown, port: unknown): Address | undefined {
  const isHost = typeof host === 'string' && /^[0-9A-Za-z:._-]{1,253}$/.test(host)
  return isHost && Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536 ? { host, port: port as number } : undefined
}
