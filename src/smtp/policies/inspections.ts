/** Several who look at one message at the same time. */
import type { AccountId } from '../../store/types.ts'
import { Reply } from '../reply.ts'
import type { Inspection, Verdict } from './policy.ts'

const isPermanent = (err: unknown): boolean => err instanceof Reply && err.responseCode >= 500

/**
 * As one: lines in the order of `all`, junk where one of them says so, the seals of the first who seals. Refused for good as soon as one says that; where one refuses for now, the others are waited for, since
 * their word may be the better one. undefined: nobody looks.
 */
export function sideBySide(all: readonly Inspection[]): Inspection | undefined {
  if (all.length < 2) return all[0]
  return {
    async write(chunk) {
      await Promise.all(all.map(async (one) => one.write(chunk)))
    },
    async finish() {
      const verdicts = all.map(async (one) => one.finish())
      const refused = Promise.withResolvers<never>()
      for (const verdict of verdicts) verdict.catch((err: unknown) => isPermanent(err) && refused.reject(err))
      const settled = await Promise.race([Promise.allSettled(verdicts), refused.promise])
      const junk = new Set<AccountId>()
      let lines = ''
      let seals: Verdict['seals']
      let proven: boolean | undefined
      for (const one of settled) {
        if (one.status === 'rejected') throw one.reason
        lines += one.value.lines
        for (const account of one.value.junk ?? []) junk.add(account)
        seals ??= one.value.seals
        proven ??= one.value.proven
      }
      return { lines, junk, proven, seals }
    },
    abort() {
      for (const one of all) one.abort()
    },
  }
}
