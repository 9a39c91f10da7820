/** Texts of a report, which anybody may have written: without what could do harm on a terminal or in a database, and short. */
import { isIP, SocketAddress } from 'node:net'
import { MAX_REPORT_TEXT } from '../store/reports.ts'

const HARMFUL = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu

export const tame = (text: string): string =>
  text
    .slice(0, 4 * MAX_REPORT_TEXT)
    .replace(HARMFUL, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_REPORT_TEXT)
    .toWellFormed()

/** The form in which addresses are compared; '' for none. */
export function addressIn(text: string): string {
  const address = text.trim()
  const version = isIP(address)
  if (version === 4) return address
  if (version === 0 || address.includes('%')) return ''
  return new SocketAddress({ address, family: 'ipv6' }).address
}

/** Beyond it nothing is counted any more: sums stay exact. */
const MAX_COUNT = 1e12

/** A number of messages or sessions; 0 for what is none. */
export function countIn(value: unknown): number {
  const n = typeof value === 'string' && /^\s*\d{1,15}\s*$/.test(value) ? Number(value) : value
  return typeof n === 'number' && Number.isInteger(n) && n > 0 ? Math.min(n, MAX_COUNT) : 0
}
