/** The section `limits`. What is not set keeps the default of the part that it bounds; the example file shows them all, and a test compares. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { count, size, time } from './units.ts'

const optional = <S extends Record<string, z.ZodType>>(shape: S) => section(shape).partial().optional()

/** A map whose every key is known; anything else is refused by name. */
export const section = <S extends Record<string, z.ZodType>>(shape: S) =>
  z.strictObject(shape, { error: 'a map of settings, each on a line of its own' })

/** Numbers of a token bucket. */
const rate = section({ burst: count, per_second: count }).optional()

export const limits = section({
  /** Client addresses that no rate is held against. It lifts rates, nothing else: nobody may relay for it. */
  exempt: z.array(
    z.string({ error: 'an IP address' }).refine((text) => isIP(text) !== 0, { error: 'an IP address' }),
    { error: 'a list of IP addresses, such as [127.0.0.1, "::1"]' },
  ),
  message_size: size,
  handshake_time: time,
  connections: optional({ total: count, before_login: count, per_address: count, new_per_minute: count }),
  login: optional({
    time,
    failures_per_minute: count,
    failures_per_day: count,
    failures_per_user: count,
    first_delay: time,
    longest_delay: time,
  }),
  smtp: optional({
    recipients: count,
    idle_time: time,
    greeting_delay: time,
    data_time: time,
    data_rate: size,
    commit_time: time,
    bad_commands: count,
    noop_rate: rate,
    failed_logins: count,
    unknown_recipients: count,
    unknown_recipients_delay: time,
    unknown_recipients_per_hour: count,
    header_size: size,
    header_lines: count,
    header_field: size,
    hops: count,
    in_flight: size,
    messages_per_hour: count,
    client_recipients_per_hour: count,
    recipients_per_hour: count,
    recipients_per_day: count,
    connections_per_account: count,
  }),
  imap: optional({
    line_before_login: size,
    line: size,
    literal: size,
    literals: size,
    literals_before_login: size,
    nesting_before_login: count,
    nesting: count,
    bad_commands_before_login: count,
    bad_commands: count,
    noop_rate: rate,
    idle_time: time,
    poll_time: time,
    sessions_per_account: count,
  }),
  pop3: optional({
    line: size,
    bad_commands_before_login: count,
    bad_commands: count,
    noop_rate: rate,
    idle_time: time,
    sessions_per_account: count,
    in_use_wait: time,
  }),
}).partial()

export type LimitsConfig = z.output<typeof limits>
