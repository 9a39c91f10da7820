/** Addresses as text, in the one form in which they compare. */
import { BlockList, isIP, SocketAddress } from 'node:net'

const MAPPED = '::ffff:'

/** IPv4 as it is, also where it is mapped into IPv6 (a socket that takes both says `::ffff:192.0.2.1`); IPv6 in its shortest form, without a zone. undefined: no address. */
export function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined || isIP(text) === 0) return undefined
  if (isIP(text) === 4) return text
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address
}

/** Addresses and networks (`10.0.0.0/8`) to ask whether an address is among them. Throws for what is neither. */
export class Networks {
  readonly #list = new BlockList()

  constructor(from: readonly string[]) {
    for (const one of from) {
      const [text = '', prefix] = one.split('/')
      const address = plainAddress(text)
      if (address === undefined) throw new Error(`${one} is no address and no network`)
      // A mapped IPv4 network counts its 96 bits before the address.
      const inside = prefix === undefined ? undefined : Number(prefix) - (isIP(text) === isIP(address) ? 0 : 96)
      if (inside === undefined) this.#list.addAddress(address, familyOf(address))
      else this.#list.addSubnet(address, inside, familyOf(address))
    }
  }

  /** `address`: as `plainAddress` gives it. */
  has(address: string): boolean {
    return this.#list.check(address, familyOf(address))
  }
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6')
