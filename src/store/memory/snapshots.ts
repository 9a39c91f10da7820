/** Packed indexes kept in this process, least recently used first to go. */
import { SNAPSHOT_BUDGET, type Snapshots } from '../snapshots.ts'
import type { AccountId, MailboxId } from '../types.ts'

/** Beside its bytes, what one entry costs: its key, its place in the map. */
const ENTRY_COST = 200

/** Keeps at most `budget` bytes. What `get` returns is shared: read it, do not write into it. */
export function createMemorySnapshots(budget: number = SNAPSHOT_BUDGET): Snapshots {
  const kept = new Map<string, { readonly modseq: number; readonly packed: Buffer }>()
  let bytes = 0
  const keyOf = (account: AccountId, mailbox: MailboxId): string => `${account}/${mailbox}`

  function drop(key: string): void {
    const entry = kept.get(key)
    if (!entry) return
    bytes -= entry.packed.length + ENTRY_COST
    kept.delete(key)
  }

  return {
    shared: false,
    async get(account, mailbox) {
      const key = keyOf(account, mailbox)
      const entry = kept.get(key)
      if (!entry) return undefined
      kept.delete(key)
      kept.set(key, entry)
      return entry.packed
    },
    put(account, mailbox, modseq, packed) {
      const key = keyOf(account, mailbox)
      if (packed.length + ENTRY_COST > budget || (kept.get(key)?.modseq ?? -1) > modseq) return
      drop(key)
      // A slice would keep the whole of what it was cut from.
      const own = packed.length === packed.buffer.byteLength ? packed : Buffer.from(packed)
      kept.set(key, { modseq, packed: own })
      bytes += own.length + ENTRY_COST
      for (const oldest of kept.keys()) {
        if (bytes <= budget) break
        drop(oldest)
      }
    },
    async close() {
      kept.clear()
      bytes = 0
    },
  }
}
