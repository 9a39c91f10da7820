/** This machine and its database: what needs no network. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readEndpoints } from '../../serve/endpoints.ts'
import { refuseOlderConfig } from '../../serve/generation.ts'
import { KINDS } from '../../serve/kinds.ts'
import { roomOf } from '../../serve/room.ts'
import type { AcmeState } from '../../store/acme.ts'
import type { SigningKey } from '../../store/dkim.ts'
import { acmeState } from '../../store/pg/acme.ts'
import { createSigningKeys } from '../../store/pg/dkim.ts'
import { checkSettings } from '../../store/pg/migrate.ts'
import { isUnknownTable, type Pool } from '../../store/pg/pool.ts'
import { type QueueState, stateOf } from '../../store/pg/queue/state.ts'
import { about, type Finding, messageOf } from './check.ts'

export interface Facts {
  readonly keys: readonly SigningKey[]
  readonly queue: QueueState
  /** Of this host's certificate by ACME; undefined: nobody has ordered any. */
  readonly acme: AcmeState | undefined
  /** What is to be changed in the database's settings. */
  readonly complaint: string | undefined
}

export async function factsOf(pool: Pool, hostname: string): Promise<Facts> {
  const complaint = await checkSettings(pool).then(
    () => undefined,
    (err) => messageOf(err),
  )
  return { complaint, keys: await createSigningKeys(pool).list(), queue: await stateOf(pool), acme: await acmeState(pool, hostname) }
}

/** `facts`: or why there are none. */
export function databaseFindings(facts: Facts | Error): Finding[] {
  const { ok, wrong } = about('database')
  if (isUnknownTable(facts)) return [wrong('it is empty, or of an older Postern: the next start of the server brings it up to date')]
  if (facts instanceof Error) return [wrong(`it cannot be asked: ${messageOf(facts)}`)]
  return [facts.complaint === undefined ? ok('its settings keep what was acknowledged') : wrong(facts.complaint)]
}

const HOUR = 3_600_000
/** Mail that is due is taken within seconds where somebody works on the queue. */
const IDLE_MS = 15 * 60_000
const OLD_MS = 4 * HOUR
const NAMED = 3

export function queueFindings({ queue }: Facts, now = Date.now()): Finding[] {
  const { ok, warning, wrong } = about('queue')
  const { waiting, held, sending, oldest, overdue, suspended, suspendedCount } = queue
  const findings: Finding[] = []
  if (overdue !== undefined && now - overdue > IDLE_MS && sending > 0)
    findings.push(warning(`mail is due for ${hours(now - overdue)}: more comes in than goes out`))
  else if (overdue !== undefined && now - overdue > IDLE_MS)
    findings.push(
      wrong(`mail is due for ${hours(now - overdue)} and nobody sends it: does a server with the role "queue" run, and "outbound.enabled"?`),
    )
  if (suspendedCount > 0) {
    const named = suspended.slice(0, NAMED).map(({ domain, said }) => `${domain} (${said})`)
    findings.push(
      warning(
        `${suspendedCount} domain${suspendedCount === 1 ? '' : 's'} cannot be reached now: ${named.join(', ')}${suspendedCount > NAMED ? ', …' : ''}`,
      ),
    )
  }
  if (oldest !== undefined && now - oldest > OLD_MS)
    findings.push(warning(`the oldest of ${waiting} recipients waits for ${hours(now - oldest)}: see "postern queue list"`))
  if (held > 0) findings.push(warning(`${held} recipient${held === 1 ? ' is' : 's are'} held back: "postern queue release" lets go`))
  return findings.length > 0 ? findings : [ok(waiting === 0 ? 'empty' : `${waiting} recipients wait, the oldest for ${hours(now - (oldest ?? now))}`)]
}

const hours = (ms: number): string =>
  ms < HOUR ? `${Math.max(1, Math.round(ms / 60_000))} min` : ms < 48 * HOUR ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / HOUR / 24)} days`

/** The data folder's, and the embedded database's where that had to be elsewhere. */
export function diskFindings(dataDir: string, room = roomOf): Finding[] {
  const { ok, warning, wrong, skipped } = about('disk')
  const elsewhere = join(dataDir, 'postgres.location')
  const folders = [dataDir, ...(existsSync(elsewhere) ? [readFileSync(elsewhere, 'utf8').trim()] : [])]
  const all = folders.map((folder) => ({ folder, ...room(folder) }))
  const tightest = all.sort((a, b) => a.free - a.least - (b.free - b.least))[0]!
  const { folder, free, least } = tightest
  if (least === 0) return [skipped(`how full the disk of ${folder} is cannot be told`)]
  const said = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${folder}`
  if (free < least) return [wrong(`${said}: too little, and no mail is taken. Make room`)]
  return [free < 2 * least ? warning(`${said}: make room, before no mail is taken any more`) : ok(said)]
}

export function configFindings(dataDir: string): Finding[] {
  const { ok, wrong } = about('config')
  try {
    refuseOlderConfig(dataDir)
    return [ok('no other host has a newer one')]
  } catch (err) {
    return [wrong(messageOf(err))]
  }
}

export function serverFindings(dataDir: string): Finding[] {
  const { ok, warning } = about('server')
  const running = readEndpoints(dataDir)
  if (!running) return [warning(`none runs with ${dataDir}`)]
  const mx = running.listeners.find(({ service }) => service === 'mx')
  // Something may bring connections there; this process cannot see it.
  if (mx && mx.port !== KINDS.mx.standard)
    return [
      warning(
        `it takes mail at port ${mx.port}, and other servers come to ${KINDS.mx.standard} only: start it with --ports standard, unless something forwards that port`,
      ),
    ]
  return [ok(`it runs, process ${running.pid}`)]
}
