/**
 * LOGIN-DELAY: how long after a login the next one has to wait (RFC 2449 §6.5). It begins with a login that opened the maildrop, never with one that was refused,
 * and is counted for all hosts: where Redis is away, for each process. Each app password is taken for one program, and has a delay of its own, as the account's
 * password has: a telephone that asks every minute keeps no desktop out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Accounts, Login } from '../store/accounts.ts'
import type { Rate, Throttle } from '../store/throttle.ts'
import { No } from './reply.ts'

export interface LoginDelay {
  /** Throws No while the delay of the login before runs. */
  mayBegin(): Promise<void>
  /** The maildrop is open: the next login has to wait. Throws No where another one was faster. */
  begin(): Promise<void>
}

export interface LoginDelays {
  of(login: Pick<Login, 'account' | 'app' | 'pop3'>): LoginDelay
  /** Of anybody, in seconds; 0: nobody has one. Never throws. */
  longest(): Promise<number>
}

/** What strangers may ask for is asked of the database so often at most. */
const LONGEST_KNOWN_MS = 10_000
const WAITED_MS = 500
const NONE: LoginDelay = { mayBegin: async () => undefined, begin: async () => undefined }

export interface LoginDelaysDeps {
  readonly throttle: Pick<Throttle, 'take' | 'check'>
  readonly accounts: Pick<Accounts, 'longestLoginDelay'>
}

export function createLoginDelays({ throttle, accounts }: LoginDelaysDeps, now = () => performance.now()): LoginDelays {
  let known: { readonly seconds: Promise<number>; readonly until: number } | undefined
  let last = 0

  async function ask(): Promise<number> {
    const asked = accounts.longestLoginDelay().then(
      (seconds) => void (last = seconds),
      () => undefined,
    )
    // While the database is away what was known goes on, and nobody waits for it.
    await Promise.race([asked, sleep(WAITED_MS, undefined, { ref: false })])
    return last
  }

  return {
    of({ account, app = '', pop3: { loginDelay: seconds } }) {
      if (seconds <= 0) return NONE
      const rate = { burst: 1, perSecond: 1 / seconds }
      // Takers of one bucket name one rate, so another delay is another bucket.
      return delayOf(throttle, `pop3-login:${account}:${seconds}:${app}`, rate)
    },
    longest() {
      if (!known || known.until <= now()) known = { seconds: ask(), until: now() + LONGEST_KNOWN_MS }
      return known.seconds
    },
  }
}

function delayOf(throttle: LoginDelaysDeps['throttle'], bucket: string, rate: Rate): LoginDelay {
  let begun = false
  const begin = async (): Promise<void> => {
    if (begun) return
    const { ok, retryAfter } = await throttle.take(bucket, rate)
    begun = ok
    if (!ok) throw new No(`The next login may come in ${Math.max(1, Math.ceil(retryAfter))} seconds`, { code: 'LOGIN-DELAY' })
  }
  return {
    async mayBegin() {
      // Only an empty bucket is asked for more: it gives nothing, and says when it will.
      if (!(await throttle.check(bucket, rate))) await begin()
    },
    begin,
  }
}
