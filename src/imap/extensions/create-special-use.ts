import { SPECIAL_USES, type SpecialUse } from '../../store/types.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { Bad, No } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** `CREATE x (USE (\Sent))`. NO [USEATTR] for what cannot be, and then there is no mailbox either. RFC 6154 §3. */
export const createSpecialUse = extension({
  capability: 'CREATE-SPECIAL-USE',
  rfc: 'RFC 6154',
  announce: LOGGED_IN,
  needs: ['SPECIAL-USE'],
  adds: {
    createParameters: new Map([
      [
        'USE',
        (r) => {
          const specialUse = specialUseOf(r.list(useAttributes))
          return specialUse ? { specialUse } : {}
        },
      ],
    ]),
  },
})

function useAttributes(r: ArgumentReader): Set<string> {
  const names = new Set<string>()
  while (r.more) {
    const node = r.any()
    if (node.kind !== 'atom' || node.section || !/^\\[A-Za-z]+$/.test(node.text)) throw new Bad('Invalid special use')
    names.add(node.text.toLowerCase())
  }
  return names
}

/** A mailbox has one special use, of those there are: \All, \Flagged and others would be views of other mailboxes. Throws No. */
export function specialUseOf(names: ReadonlySet<string>): SpecialUse | undefined {
  if (names.size > 1) throw new No('USEATTR', 'A mailbox has one special use')
  const [name] = names
  if (name === undefined) return undefined
  const use = SPECIAL_USES.find((one) => one.toLowerCase() === name)
  if (!use) throw new No('USEATTR', 'There is no such special use here')
  return use
}
