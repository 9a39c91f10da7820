/** What the index of texts says of a search: which contents cannot hold a text. The search reads the others, whether they were indexed or not. */
import { gramsOf, TEXT_VERSION } from '../../mail/grams.ts'
import type { AccountAccess, MailboxAccess } from '../access.ts'
import type { TextProbe } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import { int4Array } from './arrays.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { mayRead } from './sharing.ts'
import { keepBucket, SLOTS, sliceOf, WORDS } from './text-block.ts'

/** Grams of one text that are asked for: after these little is left that a further one could rule out. */
const MAX_GRAMS = 8
/** Grams of each text asked for at a time; the next ones only of blocks where something is left. */
const ROUND = 2
/** Grams of all texts together; texts beyond are not narrowed. */
const MAX_ALL_GRAMS = 128
/** Slices that one statement reads, about: 2 KB each. */
const STEP_SLICES = 1_024
/** A block with fewer contents of interest is not worth asking: a small mailbox of a large account. */
const WORTH = 4

const RANGES: Statement = {
  name: 'text_ranges',
  text: `select block, first_id, last_id from text_block where account_id = $1 and last_id >= $2 and first_id <= $3 and version = ${TEXT_VERSION}`,
}
const BLOCKS: Statement = {
  name: 'text_blocks',
  text: `select block, contents from text_block where account_id = $1 and block = any($2::int4[]) and version = ${TEXT_VERSION}`,
}
// Each slice by its key, whatever the planner knows of the table.
const READ: Statement = {
  name: 'text_read',
  text: `select b.block, s.slice, t.data from unnest($2::int4[]) b(block) cross join unnest($3::int4[]) s(slice)
         cross join lateral (select data from text_slice t where t.account_id = $1 and t.block = b.block and t.slice = s.slice offset 0) t`,
}

/** A block that has contents which are asked for. */
interface Block {
  readonly number: number
  /** For each slot the place among the ids asked for, or -1. */
  readonly places: Int32Array
  /** For each probe the slots, of those asked for, that may hold its text. */
  readonly left: readonly Uint32Array[]
}

/** One array for each probe: at an id's place 0 where its content cannot hold the text, 1 where it may. */
export async function narrowTexts(
  on: Queryable,
  by: AccountAccess | MailboxAccess,
  ids: readonly ContentId[],
  probes: readonly TextProbe[],
): Promise<Uint8Array[]> {
  await mayRead(on, by)
  const { account } = by
  const may = probes.map(() => new Uint8Array(ids.length).fill(1))
  let all = 0
  const grams = probes.map(({ place, text }) => {
    const some = gramsOf(place, text).slice(0, MAX_GRAMS)
    all += some.length
    return all <= MAX_ALL_GRAMS ? some : []
  })
  if (ids.length < WORTH || grams.every((some) => some.length === 0)) return may
  const { places, copies } = placesOf(ids)
  const blocks = await blocksWith(on, account, places, probes.length)
  const step = Math.max(1, Math.floor(STEP_SLICES / (ROUND * probes.length)))
  for (let at = 0; at < blocks.length; at += step) {
    const some = blocks.slice(at, at + step)
    for (let round = 0; round < MAX_GRAMS; round += ROUND) {
      const asked = grams.map((list) => list.slice(round, round + ROUND))
      if (!(await narrowBlocks(on, account, some, asked))) break
    }
    for (const block of some) note(block, may)
  }
  for (const [copy, of] of copies) for (const column of may) column[copy] = column[of]!
  return may
}

/** Where each id is among those asked for; the same content may be there again (COPY). */
function placesOf(ids: readonly ContentId[]): { places: Map<bigint, number>; copies: [number, number][] } {
  const places = new Map<bigint, number>()
  const copies: [number, number][] = []
  ids.forEach((id, i) => {
    const known = places.get(id)
    if (known === undefined) places.set(id, i)
    else copies.push([i, known])
  })
  return { places, copies }
}

async function blocksWith(on: Queryable, account: AccountId, places: ReadonlyMap<bigint, number>, probes: number): Promise<Block[]> {
  const ids = BigInt64Array.from(places.keys()).sort()
  const near: number[] = []
  await on.rows(RANGES, [account, ids[0]!, ids.at(-1)!], (row) => {
    const number = row.int()
    const first = row.bigint()
    if (upTo(ids, row.bigint()) - upTo(ids, first - 1n) >= WORTH) near.push(number)
  })
  const blocks: Block[] = []
  if (near.length === 0) return blocks
  await on.rows(BLOCKS, [account, int4Array(near)], (row) => {
    const number = row.int()
    const contents = row.bytes()!
    const slots = new Int32Array(SLOTS).fill(-1)
    const wanted = new Uint32Array(WORDS)
    let count = 0
    for (let slot = 0; slot * 8 < contents.length; slot++) {
      const place = places.get(contents.readBigInt64BE(slot * 8))
      if (place === undefined) continue
      slots[slot] = place
      wanted[slot >> 5]! |= 1 << (slot & 31)
      count++
    }
    if (count >= WORTH) blocks.push({ number, places: slots, left: Array.from({ length: probes }, () => wanted.slice()) })
  })
  return blocks
}

/** How many of the ascending ids are not above that one. */
function upTo(ids: BigInt64Array, id: bigint): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const mid = (low + high) >>> 1
    if (ids[mid]! <= id) low = mid + 1
    else high = mid
  }
  return low
}

/** One round: `asked` are grams of each probe. false when there was nothing left to ask. */
async function narrowBlocks(on: Queryable, account: AccountId, blocks: readonly Block[], asked: readonly (readonly number[])[]): Promise<boolean> {
  const open = new Map<number, Block>()
  const bySlice = new Map<number, { readonly probe: number; readonly bucket: number }[]>()
  asked.forEach((grams, probe) => {
    if (grams.length === 0) return
    let any = false
    for (const block of blocks)
      if (block.left[probe]!.some((word) => word !== 0)) {
        open.set(block.number, block)
        any = true
      }
    if (!any) return
    for (const bucket of grams) {
      const slice = sliceOf(bucket)
      const others = bySlice.get(slice)
      if (others) others.push({ probe, bucket })
      else bySlice.set(slice, [{ probe, bucket }])
    }
  })
  if (open.size === 0) return false
  await on.rows(READ, [account, int4Array([...open.keys()]), int4Array([...bySlice.keys()])], (row) => {
    const block = open.get(row.int())!
    const wanted = bySlice.get(row.int())!
    const data = row.bytes()!
    for (const { probe, bucket } of wanted) keep(data, bucket, block.left[probe]!)
  })
  return true
}

/** A slice that is not what was written rules nothing out. */
function keep(slice: Buffer, bucket: number, left: Uint32Array): void {
  try {
    keepBucket(slice, bucket, left)
  } catch (err) {
    if (!(err instanceof RangeError)) throw err
  }
}

/** Rules out what is not left. */
function note({ places, left }: Block, may: readonly Uint8Array[]): void {
  left.forEach((set, probe) => {
    for (let slot = 0; slot < SLOTS; slot++) {
      const place = places[slot]!
      if (place >= 0 && (set[slot >> 5]! & (1 << (slot & 31))) === 0) may[probe]![place] = 0
    }
  })
}
