/** INTERNALDATE as digits: ` 5-Nov-2020 09:00:00 +0000` (RFC 9051 §9 date-time). In UTC: the store keeps the moment, not the zone it was said in. */

import { type LineWriter, Phrase } from '../../net/line-writer.ts'
import { formatDateTime } from '../wire/date.ts'

const DAY_MS = 86_400_000
/** `"` and the date up to the blank before the time. */
const DAY_LENGTH = 13
const ZONE = new Phrase(' +0000"')
/** Octets of a quoted date-time. */
export const DATE_TIME_LENGTH = DAY_LENGTH + 8 + ZONE.length

/** Neighbours in a mailbox are mostly of one day, so the calendar is asked once for all of them. */
export class DateTimeWriter {
  #day = Number.NaN
  #text = new Phrase('')

  /** `at` in milliseconds since 1970, written in quotes. */
  write(at: number, line: LineWriter): void {
    const day = Math.floor(at / DAY_MS)
    if (day !== this.#day) {
      this.#day = day
      this.#text = new Phrase(`"${formatDateTime(day * DAY_MS).slice(0, DAY_LENGTH - 1)}`)
    }
    const second = Math.floor((at - day * DAY_MS) / 1000)
    const minute = (second / 60) | 0
    const hour = (minute / 60) | 0
    line.phrase(this.#text)
    line.digits(hour, 2)
    line.byte(0x3a)
    line.digits(minute - hour * 60, 2)
    line.byte(0x3a)
    line.digits(second - minute * 60, 2)
    line.phrase(ZONE)
  }
}
