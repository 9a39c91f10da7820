/** Where mail for our addresses goes: lists without lists in them, and what cannot be meant. */
import { canonical, domainOf, withoutTag } from '../mail/address.ts'
import { MAX_MEMBERS } from './address-sections.ts'
import { complain, type Source } from './complain.ts'
import type { Config } from './schema.ts'

/** Exist in every domain; given to the postmaster where nobody has them. */
const ROLES = ['postmaster', 'abuse']

export interface ResolvedList {
  readonly address: string
  readonly owner: string
  /** Addresses of mailboxes. */
  readonly members: readonly string[]
  /** Members elsewhere. */
  readonly onward: readonly string[]
}

type Addressed = Pick<Config, 'domains' | 'mailboxes'> & Partial<Pick<Config, 'lists' | 'postmaster'>>

/** Lists without lists in them. Of a config that was checked. */
export function resolveLists(config: Addressed): ResolvedList[] {
  const names = new Names(config)
  return (config.lists ?? []).map((list, at) => {
    const members = names.membersOf(at)
    const [here, elsewhere] = [members.filter((m) => names.isHere(m)), members.filter((m) => !names.isHere(m))]
    return { address: list.address, owner: list.owner ?? names.postmaster ?? '', members: here, onward: elsewhere }
  })
}

/** Who is meant by an address. */
class Names {
  readonly postmaster: string | undefined
  readonly #mailboxes = new Map<string, string>()
  readonly #lists = new Map<string, number>()
  readonly #members: readonly (readonly string[])[]
  readonly #domains: ReadonlySet<string>

  constructor({ domains, mailboxes, lists = [], postmaster }: Addressed) {
    this.postmaster = postmaster ?? mailboxes[0]?.address
    this.#domains = new Set(domains)
    this.#members = lists.map(({ members }) => members)
    for (const { address: own, aliases } of mailboxes) for (const each of [own, ...aliases]) this.#mailboxes.set(each, own)
    for (const [at, { address: name }] of lists.entries()) this.#lists.set(name, at)
  }

  isHere(member: string): boolean {
    return this.#domains.has(domainOf(member))
  }

  /** The number of the list that this address is. */
  list(member: string): number | undefined {
    const name = canonical(member)!
    return this.#mailboxes.has(name) ? undefined : (this.#lists.get(name) ?? this.#lists.get(withoutTag(name)))
  }

  /** Its mailbox; undefined: there is none. */
  mailbox(member: string): string | undefined {
    const name = canonical(member)!
    const role = ROLES.some((one) => name === `${one}@${domainOf(name)}`) ? this.postmaster : undefined
    return this.#mailboxes.get(name) ?? this.#mailboxes.get(withoutTag(name)) ?? role
  }

  /** Mailboxes, and addresses elsewhere, each once. `onCycle` is told of a member that leads back. */
  membersOf(at: number, onCycle: (list: number, member: number) => void = () => {}): string[] {
    const found = new Map<string, string>()
    const done = new Set<number>()
    const open = new Set<number>()
    const visit = (list: number): void => {
      open.add(list)
      done.add(list)
      for (const [i, member] of this.#members[list]!.entries()) {
        const inner = this.isHere(member) ? this.list(member) : undefined
        if (inner !== undefined && open.has(inner)) onCycle(list, i)
        else if (inner !== undefined && !done.has(inner)) visit(inner)
        else if (inner === undefined) {
          const to = this.isHere(member) ? this.mailbox(member) : member
          if (to !== undefined) found.set(canonical(to)!, to)
        }
      }
      open.delete(list)
    }
    visit(at)
    return [...found.values()]
  }
}

/** `owners`: whose the addresses of mailboxes are. Throws ConfigRefused. */
export function checkAddresses(source: Source, config: Config, owners: ReadonlyMap<string, string>): void {
  const mailboxes = new Set(config.mailboxes.map(({ address: own }) => own))
  checkLists(source, config, { owners, mailboxes })
  for (const [domain, to] of Object.entries(config.catch_all ?? {})) {
    if (!config.domains.includes(domain)) throw complain(source, ['catch_all'], `catch_all is for local domains, and ${domain} is none of them`)
    if (!mailboxes.has(to)) throw complain(source, ['catch_all', domain], `catch_all needs the address of one of the mailboxes, and ${to} is none`)
  }
  checkReports(source, config)
  for (const [i, { forward }] of config.mailboxes.entries())
    for (const [n, to] of (forward?.to ?? []).entries()) {
      const at = ['mailboxes', i, 'forward', 'to', n]
      if (config.domains.includes(domainOf(to)))
        throw complain(source, at, `${to} is an address here, and "forward" is for addresses elsewhere: use "aliases" or a list`)
      mustSend(source, config, { at, to })
    }
}

/** What is not kept here cannot be read here. */
function checkReports(source: Source, config: Config): void {
  const { to } = config.reports ?? {}
  if (to === undefined) return
  const names = new Names(config)
  const own = names.isHere(to) && names.list(to) === undefined ? names.mailbox(to) : undefined
  if (own === undefined)
    throw complain(source, ['reports', 'to'], `reports.to must be the address or an alias of one of the mailboxes, and ${to} is none`)
  if (config.mailboxes.find(({ address }) => address === own)?.forward?.keep === false)
    throw complain(source, ['reports', 'to'], `the mail of ${own} goes elsewhere and none stays here ("forward"): reports have to stay`)
}

interface Known {
  readonly owners: ReadonlyMap<string, string>
  readonly mailboxes: ReadonlySet<string>
}

function checkLists(source: Source, config: Config, { owners, mailboxes }: Known): void {
  const { lists = [], domains } = config
  const names = new Names(config)
  const seen = new Set<string>()
  for (const [i, { address: name, owner, members }] of lists.entries()) {
    const at = ['lists', i, 'address']
    if (!domains.includes(domainOf(name)))
      throw complain(source, at, `the domain of ${name} is not among the local ones (${domains.join(', ')}): add it to "domains"`)
    const other = owners.get(name) ?? (seen.has(name) ? 'another list' : undefined)
    if (other) throw complain(source, at, `the address ${name} is given twice: ${other} has it already`)
    seen.add(name)
    if (owner !== undefined && !mailboxes.has(owner))
      throw complain(source, ['lists', i, 'owner'], `the owner of a list must be the address of one of the mailboxes, and ${owner} is none`)
    if (names.postmaster === undefined) throw complain(source, ['lists', i], 'a list needs an owner, and there is no mailbox')
    for (const [n, member] of members.entries()) {
      const where = ['lists', i, 'members', n]
      if (!names.isHere(member)) mustSend(source, config, { at: where, to: member })
      else if (names.list(member) === undefined && names.mailbox(member) === undefined)
        throw complain(source, where, `there is no address ${member} here`)
    }
  }
  for (const [i, { address: name }] of lists.entries()) {
    const all = names.membersOf(i, (list, member) => {
      throw complain(source, ['lists', list, 'members', member], `the list ${lists[list]!.address} leads back to ${lists[list]!.members[member]}`)
    })
    if (all.length > MAX_MEMBERS) throw complain(source, ['lists', i], `the list ${name} has ${all.length} members, and ${MAX_MEMBERS} is the most`)
  }
}

function mustSend(source: Source, { outbound }: Config, { at, to }: { readonly at: readonly (string | number)[]; readonly to: string }): void {
  if (outbound?.enabled === false) throw complain(source, at, `mail to ${to} has to leave this host: leave "outbound.enabled" at true`)
}
