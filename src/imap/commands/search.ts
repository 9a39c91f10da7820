/** SEARCH and UID SEARCH. RFC 9051 §6.4.4, answered as RFC 3501 §7.2.5 has it. */
import { command, HOLD_EXPUNGE } from '../command.ts'
import { SearchGate } from '../search/gate.ts'
import { readSearch } from '../search/parse.ts'
import { runSearch } from '../search/run.ts'
import { writeNumbers } from '../search/write.ts'
import type { Services } from '../session.ts'

/** One for all sessions of a service. */
const gates = new WeakMap<Services, SearchGate>()
function gateOf(services: Services): SearchGate {
  let gate = gates.get(services)
  if (!gate) gates.set(services, (gate = new SearchGate()))
  return gate
}

export const search = command({
  names: ['SEARCH', 'UID SEARCH'],
  rfc: 'RFC 9051 §6.4.4',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  parse: (r, _, { searchKeys }) => readSearch(r, searchKeys),
  async run({ services, store, selected, out, ending }, key, { name, by }) {
    const { output } = out
    const found = await runSearch({ store, selected, gate: gateOf(services), output, ending }, key, by)
    await writeNumbers(output, found)
    return { ok: `${name} completed` }
  },
})
