/**
 * Settings of the C library's allocator and of the JavaScript engine that can only be given to a program when it starts: together they are half of what an idle
 * session costs (docs/performance.md). So the server starts itself once more with them: the same process, the same pid, the same standard streams.
 */

/**
 * Octets from which on glibc maps memory of its own for an allocation, and gives it back when it is freed. Setting it at all stops glibc from raising it
 * to the largest allocation there was: the 19 MiB of each password that is hashed would stay with every thread that ever hashed one. At 64 KiB it takes
 * in the receive buffer of a TLS connection, of which only the first pages are ever used: those of a fresh mapping, not 16 that somebody has used before.
 */
const FROM_GLIBC = 'MALLOC_MMAP_THRESHOLD_'
const MAPPED_FROM = 64 * 1024
/**
 * Octets that glibc asks the system for beyond what it needs, 128 KiB unless said: room in which a receive buffer fits, so that most were cut from there and
 * not mapped. Without it a connection costs 8 KiB less (docs/performance.md).
 */
const PAD_FROM_GLIBC = 'MALLOC_TOP_PAD_'
const PAD = 0
/** MiB of new objects before they are looked through: three times this is kept for them, 16 unless said. */
const NEW_SPACE = '--max-semi-space-size'
const NEW_SPACE_MIB = 4

/** Does not return where it starts this program again. Whoever sets MALLOC_MMAP_THRESHOLD_ has decided, also that nothing is to be done. */
export function beThrifty(env: NodeJS.ProcessEnv): void {
  if (process.platform !== 'linux' || !process.execve || env[FROM_GLIBC] !== undefined) return
  const [node, ...args] = process.argv
  const said = [...process.execArgv, env['NODE_OPTIONS'] ?? ''].some((flag) => flag.includes(NEW_SPACE))
  const flags = said ? process.execArgv : [...process.execArgv, `${NEW_SPACE}=${NEW_SPACE_MIB}`]
  process.execve(node!, [node!, ...flags, ...args], { [PAD_FROM_GLIBC]: `${PAD}`, ...process.env, [FROM_GLIBC]: `${MAPPED_FROM}` })
}
