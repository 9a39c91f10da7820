/** What fails in one run, and when; and what must be so of leases whose holders died. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LEASE_SECONDS } from '../../../src/store/lease.ts'
import type { Tally } from '../../support/tally.ts'
import { address } from '../load/load.ts'
import type { ClientPoint, Fault, Random, What } from './chance.ts'
import type { Moment } from './clients.ts'
import type { Home } from './home.ts'
import type { Rule } from './rules.ts'
import type { Visits } from './visits.ts'

export interface TroubleParts {
  readonly home: Home
  readonly user: string
  readonly visits: Visits
  readonly tally: Tally<Rule>
  readonly random: Random
}

export class Trouble {
  readonly #parts: TroubleParts
  readonly #faults: { readonly fault: Fault; left: number }[]
  readonly #under: Promise<void>[] = []
  /** What came to pass. */
  readonly happened: What[] = []
  isDisturbed = false

  constructor(parts: TroubleParts, faults: readonly Fault[]) {
    this.#parts = parts
    this.#faults = faults.map((fault) => ({ fault, left: fault.where?.nth ?? 0 }))
    const { proxy } = parts.home
    proxy.at(undefined)
    for (const { what, point } of faults) if (point) proxy.at(point, (cutOff) => this.#begin(what, cutOff))
  }

  /** The clients come by here. */
  async at(moment: Moment): Promise<void> {
    for (const entry of this.#faults) {
      const { what, where } = entry.fault
      if (!where || entry.left <= 0 || !fits(where, moment) || --entry.left > 0) continue
      if (where.later > 0) await sleep(where.later)
      this.#begin(what, moment.drop)
    }
  }

  /** Everything that went on because of it is over; the first host may still be on its way. */
  async over(): Promise<void> {
    this.#parts.home.proxy.at(undefined)
    await Promise.all(this.#under)
  }

  #begin(what: What, drop: () => void): void {
    this.happened.push(what)
    if (what !== 'drop') this.isDisturbed = true
    const { home, visits } = this.#parts
    const [host] = home.hosts
    switch (what) {
      case 'drop':
      case 'cut':
        drop()
        return
      case 'sever':
        home.proxy.sever()
        return
      case 'kill':
        visits.died(host.name, 'killed')
        home.ready = host.restart()
        this.#under.push(this.#afterDeath(false))
        return
      case 'stand':
        visits.died(host.name, 'stands')
        this.#under.push(this.#stand(host.hold()))
        return
      case 'drain':
        this.#under.push(this.#drain())
        return
      case 'redis':
        this.#under.push(this.#redis())
        return
      default:
        what satisfies never
    }
  }

  async #drain(): Promise<void> {
    const { home, visits, tally } = this.#parts
    const [host] = home.hosts
    const code = await host.stop()
    visits.ended(host.name)
    tally.check('words', code === 0, () => `told to stop, the server ends with ${code}`)
    home.ready = host.start()
  }

  async #redis(): Promise<void> {
    const { home, random } = this.#parts
    await home.redis?.kill()
    await sleep(random(100))
    await home.redis?.start()
  }

  async #stand(go: () => void): Promise<void> {
    const { random } = this.#parts
    try {
      await this.#afterDeath(true)
      await sleep(20 + random(150))
    } finally {
      go()
    }
  }

  /** The lease of one that stands still runs out: not before, and no later than it may. That of a dead one nobody has to wait for. */
  async #afterDeath(stands: boolean): Promise<void> {
    const { random, visits } = this.#parts
    await sleep(random(60))
    await this.#parts.home.quiet()
    for (const box of visits.heldByDead())
      if (stands) await this.#runOut(box)
      else visits.ranOut(box, false)
  }

  async #runOut(box: string): Promise<void> {
    const { home, user, visits, tally } = this.#parts
    const { rows } = await home.sql.query<{ owner: string; epoch: string; seconds: number }>(
      `select l.owner, l.epoch, extract(epoch from l.expires_at - clock_timestamp())::float8 as seconds
       from lease l join mailbox m on m.account_id = l.account_id and m.id = l.mailbox_id join account a on a.account_id = l.account_id
       where a.address = $1 and m.name = $2 and l.expires_at > clock_timestamp()`,
      [address(user), box],
    )
    // Somebody may come in at this moment, if the dead one had let go of it: then the lease is not the dead one's.
    while (visits.isTaken(box, home.hosts[0].name) === 'perhaps') await sleep(2)
    if (visits.isTaken(box, home.hosts[0].name) === 'no')
      for (const { owner, epoch, seconds } of rows) {
        tally.check('free', seconds <= LEASE_SECONDS, () => `${box} is locked for ${seconds} s by who stands still`)
        await home.sql.query('update lease set expires_at = clock_timestamp() where owner = $1 and epoch = $2 and expires_at > clock_timestamp()', [
          owner,
          epoch,
        ])
      }
    visits.ranOut(box, true)
  }
}

function fits(where: ClientPoint, { client, command, phase, octets }: Moment): boolean {
  if (where.client !== client) return false
  if (where.octets !== undefined && (octets ?? 0) < where.octets) return false
  if (where.command === undefined) return phase !== 'within'
  return where.command === command && where.phase === phase
}
