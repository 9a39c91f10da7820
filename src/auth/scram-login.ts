/** Logins by SCRAM: the salting before the client has proved anything, the same for a user that there is not. RFC 5802. */
import type { Accounts, AppPassword, Login } from '../store/accounts.ts'
import { isFor } from './app-password.ts'
import type { Attempt, Attempts, LoginResult, Verdict, Who } from './attempt.ts'
import { reasonFor } from './check-password.ts'
import { parseVerifier, proves, SALT_OCTETS, SCRAM_ITERATIONS, type ScramSalting, type ScramVerifier, sameSalting, serverSignature } from './scram.ts'
import { createTurns } from './turns.ts'

export type ScramLogin =
  | { readonly kind: 'salted'; readonly salting: ScramSalting; prove(authMessage: string, proof: Buffer): Promise<ScramProved> }
  | Exclude<LoginResult, { readonly kind: 'ok' | 'invalid' }>

export interface ScramProved {
  readonly result: LoginResult
  /** Proves to the client that the server knows the password too. */
  readonly signature?: Buffer
}

/** A verifier, and whose it is: an app password's or the account's own. */
interface Candidate {
  readonly verifier: ScramVerifier
  readonly app?: AppPassword
}

interface Begun {
  readonly kind: 'begun'
  readonly login: Login | undefined
  readonly candidates: readonly Candidate[]
  readonly salting: ScramSalting
}

export function createScramLogin(attempts: Attempts, accounts: Pick<Accounts, 'decoy'>): (who: Who) => Promise<ScramLogin> {
  const turns = createTurns()

  async function begin(attempt: Attempt): Promise<Begun> {
    // Both are asked, whoever the user is: how long it takes tells nothing.
    const [login, decoy] = await Promise.all([attempt.account(), accounts.decoy(attempt.address ?? attempt.who.user)])
    const candidates = login ? candidatesOf(login) : []
    // Salt and count of one who is not there must not change with time, and look like anybody's (RFC 5802 §9).
    const salting = candidates[0]?.verifier ?? { iterations: SCRAM_ITERATIONS, salt: decoy.subarray(0, SALT_OCTETS) }
    return { kind: 'begun', login, candidates, salting }
  }

  return async (who) => {
    const attempt = attempts.open(who)
    const begun = await attempts.guard(attempt, async () => (await attempt.throttled()) ?? (await begin(attempt)))
    if (begun.kind === 'unavailable') return begun
    if (begun.kind !== 'begun') {
      const stopped = await attempts.answer(attempt, async () => begun)
      return stopped.kind === 'throttled' ? stopped : { kind: 'unavailable' }
    }
    const { login, candidates, salting } = begun

    async function check(authMessage: string, proof: Buffer): Promise<{ verdict: Verdict; signature?: Buffer }> {
      const early = await attempt.throttled()
      if (early) return { verdict: early }
      const found = candidates.find(({ verifier }) => proves(verifier, authMessage, proof))
      if (found && login?.enabled && (!found.app || isFor(found.app, who.service)))
        return { verdict: { kind: 'right', login, app: found.app }, signature: serverSignature(found.verifier, authMessage) }
      await attempt.count()
      return { verdict: { kind: 'wrong', why: reasonFor(login, found ? 'scope' : candidates.length > 0 ? 'proof' : 'no scram') } }
    }

    return {
      kind: 'salted',
      salting,
      async prove(authMessage, proof) {
        let signature: Buffer | undefined
        // In turn, so that no burst of parallel guesses gets past the throttles.
        const inTurn = () =>
          turns.run(`network ${attempt.network}`, () => turns.run(`user ${attempt.address ?? ''}`, () => check(authMessage, proof)))
        const result = await attempts.answer(attempt, async () => {
          const checked = await inTurn()
          signature = checked.signature
          return checked.verdict
        })
        return { result, ...(signature && { signature }) }
      },
    }
  }
}

/** All that have the salting of the first: the password's own, if SCRAM can check it. */
function candidatesOf({ scram, appPasswords }: Login): Candidate[] {
  const all = [{ scram }, ...appPasswords.map((app) => ({ scram: app.scram ?? '', app }))].flatMap(({ scram: text, ...of }) => {
    const verifier = parseVerifier(text)
    return verifier ? [{ verifier, ...of }] : []
  })
  const [first] = all
  return first ? all.filter(({ verifier }) => sameSalting(verifier, first.verifier)) : []
}
