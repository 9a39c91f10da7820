/** What a Redis user needs, by the words of ACL SETUSER, on keys and channels `prefix:*`. docs/operations.md says the same; test/contract/redis-rights.test.ts tries it. */

export const RIGHTS = [
  ...['ping', 'multi', 'exec', 'set', 'get', 'getrange', 'del', 'incrby', 'pexpire', 'zadd', 'zrange', 'zrem', 'zremrangebyscore'],
  ...['publish', 'subscribe', 'unsubscribe'],
] as const

/** In a Cluster these too; without the first three pokes go to all nodes. */
export const CLUSTER_RIGHTS = ['spublish', 'ssubscribe', 'sunsubscribe', 'cluster|info', 'cluster|slots'] as const

/** Of a sentinel's user. */
export const SENTINEL_RIGHTS = ['sentinel|master'] as const
