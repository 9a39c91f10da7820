/** A client arrives, or comes back through STARTTLS. */
import type { Policy } from '../policies/policy.ts'
import type { Visit } from '../visit.ts'

/** Where no login is needed a client counts as known from its greeting on. */
export function arrive(visit: Visit, policy: Policy): void {
  if (!policy.wantsLogin) visit.admitted()
  policy.arrived?.(visit)
}
