/** When what failed is tried again. */

const MINUTE = 60
const HOUR = 60 * MINUTE

/** Seconds after the first, second … attempt; the last for all that follow. */
export const RETRY_SECONDS: readonly number[] = [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR]
/** Where the DNS does not answer that may be ours, and all domains wait for the same: none of them for longer than this, so that all of it goes soon after it is back. */
const DNS_RETRY_SECONDS = 30 * MINUTE
/** How long a message is tried. RFC 5321 §4.5.4.1 says four to five days. */
export const LIFETIME_SECONDS = 5 * 24 * HOUR
/** Its sender is told of a delay after this, where that was asked for. */
export const DELAY_NOTICE_SECONDS = 4 * HOUR

const SPREAD = 0.1
/** RFC 3463 §3.5: the DNS does not say where to. */
export const NO_ANSWER = '4.4.3'

/** By what came of the last attempt. */
export const scheduleFor = (status: string, schedule: readonly number[] = RETRY_SECONDS): readonly number[] =>
  status === NO_ANSWER ? schedule.map((seconds) => Math.min(seconds, DNS_RETRY_SECONDS)) : schedule

/** After so many attempts; spread, so that what failed together is not tried together. */
export const retryAfter = (attempts: number, schedule: readonly number[] = RETRY_SECONDS): number =>
  Math.round(schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1]! * (1 + SPREAD * Math.random()))
