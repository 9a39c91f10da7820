/** Which client addresses count as one client. */
import { isIPv4, isIPv6 } from 'node:net'

/** What is no address is kept as it is, up to here. */
const MAX_TEXT = 64

/**
 * The key under which limits count a client: an IPv4 address itself (also where it is mapped into IPv6), the /64 of an IPv6 address,
 * since one subscriber is given at least that much. Anything else counts as the text it is.
 */
export function networkOf(remote: string): string {
  if (isIPv4(remote)) return remote
  const address = remote.split('%', 1)[0] ?? ''
  if (!isIPv6(address)) return remote.slice(0, MAX_TEXT)
  const groups = groupsOf(address)
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff)
    return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.')
  const network = groups.slice(0, 4).map((g) => g.toString(16))
  return `${network.join(':')}::/64`
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const before = fields(head)
  if (tail === undefined) return before
  const after = fields(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function fields(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((field) => {
    if (!field.includes('.')) return [Number.parseInt(field, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = field.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
