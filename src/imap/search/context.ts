/** What the commands that search have in common. */
import { No } from '../reply.ts'
import type { Selected } from '../selected.ts'
import type { AuthenticatedSession, SelectedSession, Services } from '../session.ts'
import type { SearchOptions } from '../tables.ts'
import { Work } from '../work.ts'
import { SearchGate } from './gate.ts'
import type { Criteria } from './parse.ts'
import type { SearchContext } from './run.ts'

/** One for all sessions of a service. */
const gates = new WeakMap<Services, SearchGate>()
function gateOf(services: Services): SearchGate {
  let gate = gates.get(services)
  if (!gate) gates.set(services, (gate = new SearchGate()))
  return gate
}

/** Of those who are through the gate already. */
export const OPEN_GATE: Pick<SearchGate, 'run'> = { run: (_, work) => work() }

/** `selected`: another mailbox than the one that the session has selected. */
export function searchContext(s: SelectedSession): SearchContext
export function searchContext(s: AuthenticatedSession, selected: Selected): SearchContext
export function searchContext({ services, store, out: { output }, ending, ...s }: AuthenticatedSession, selected = s.selected!): SearchContext {
  return { store, selected, gate: gateOf(services), work: new Work({ output, ending }) }
}

/** Does what was asked, unless the arguments were refused already. Where `$` was to name what is found and the answer is NO, it names nothing: RFC 5182 §2.1. */
export async function withCriteria<T>(
  selected: Selected,
  { criteria, options }: { readonly criteria: Criteria | No; readonly options: Partial<SearchOptions> | undefined },
  run: (criteria: Criteria) => Promise<T>,
): Promise<T> {
  try {
    if (criteria instanceof No) throw criteria
    return await run(criteria)
  } catch (error) {
    if (options?.save) selected.save([])
    throw error
  }
}
