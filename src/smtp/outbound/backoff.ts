/** When what failed is tried again. */

const MINUTE = 60
const HOUR = 60 * MINUTE

/** Seconds after the first, second … attempt; the last for all that follow. */
export const RETRY_SECONDS: readonly number[] = [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR]
/** How long a message is tried. RFC 5321 §4.5.4.1 says four to five days. */
export const LIFETIME_SECONDS = 5 * 24 * HOUR
/** Its sender is told of a delay after this, where that was asked for. */
export const DELAY_NOTICE_SECONDS = 4 * HOUR

const SPREAD = 0.1

/** After so many attempts; spread, so that what failed together is not tried together. */
export const retryAfter = (attempts: number, schedule: readonly number[] = RETRY_SECONDS): number =>
  Math.round(schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1]! * (1 + SPREAD * Math.random()))
