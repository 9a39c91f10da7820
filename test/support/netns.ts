/**
 * Network namespaces of the test's own (Debian packages `iproute2` and `nftables`, CAP_NET_ADMIN): a lab in which services and clients run, and hosts that reach it by a link
 * each. Links can be cut so that packets vanish without a word. Everything goes with `close`; what a crashed run left goes at the next start.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { signal } from './processes.ts'
import { missing } from './programs.ts'

const PREFIX = 'postern-test-'
const CAP_NET_ADMIN = 12n

/** Why tests that need it are skipped; false when they can run. */
export const netnsMissing: string | false = missing('ip', 'nft') || lacksRight() || cannotAdd()

function lacksRight(): string | false {
  let effective = 0n
  try {
    effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`)
  } catch {
    // No /proc: no Linux.
  }
  return ((effective >> CAP_NET_ADMIN) & 1n) === 1n ? false : 'CAP_NET_ADMIN is missing: network namespaces cannot be made'
}

/** The right alone is not enough in some containers. */
function cannotAdd(): string | false {
  const name = `${PREFIX}${process.pid}-try-${randomBytes(2).toString('hex')}`
  const { status, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (status !== 0) return `network namespaces cannot be made here: ${stderr.trim()}`
  spawnSync('ip', ['netns', 'delete', name])
  return false
}

export interface LabHost {
  readonly name: string
  /** Put before a command line it runs there. */
  readonly within: readonly string[]
  /** Its address as the lab sees it, and the lab's as it sees that. */
  readonly address: string
  readonly lab: string
}

/** What it takes to use a lab from another process. */
export interface LabPlan {
  readonly lab: string
  readonly hosts: readonly LabHost[]
}

export interface Lab extends LabPlan {
  /** Put before a command line that runs in the lab itself. */
  readonly within: readonly string[]
  close(): void
}

/** A lab with hosts; at most 200. Throws where `netnsMissing` is a reason. */
export function createLab(names: readonly string[]): Lab {
  removeLeftovers()
  const own = `${PREFIX}${process.pid}-${randomBytes(2).toString('hex')}`
  const lab = `${own}-lab`
  const made: string[] = []
  const add = (name: string): void => {
    ip('netns', 'add', name)
    made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  const close = (): void => {
    process.off('exit', close)
    for (const name of made.splice(0)) remove(name)
  }
  process.on('exit', close)
  try {
    add(lab)
    const hosts = names.map((name, i) => {
      const inside = `${own}-${name}`
      add(inside)
      const [there, here] = [`10.213.${i + 1}.1`, `10.213.${i + 1}.2`]
      // Names of links have 15 characters at most; each pair is made inside, where nobody else has links.
      ip('-n', lab, 'link', 'add', `to-${i}`, 'type', 'veth', 'peer', 'name', 'wire', 'netns', inside)
      ip('-n', lab, 'addr', 'add', `${there}/24`, 'dev', `to-${i}`)
      ip('-n', inside, 'addr', 'add', `${here}/24`, 'dev', 'wire')
      ip('-n', lab, 'link', 'set', `to-${i}`, 'up')
      ip('-n', inside, 'link', 'set', 'wire', 'up')
      return { name, within: ['ip', 'netns', 'exec', inside], address: here, lab: there }
    })
    return { lab, hosts, within: ['ip', 'netns', 'exec', lab], close }
  } catch (err) {
    close()
    throw err
  }
}

/** Packets between this host and these ports of the lab vanish, both ways, until the function that it returns is called. */
export function cut(host: LabHost, ports: readonly number[]): () => void {
  const set = `{ ${ports.join(', ')} }`
  inside(host, `add table inet fault`)
  inside(host, 'add chain inet fault out { type filter hook output priority 0; }')
  inside(host, 'add chain inet fault in { type filter hook input priority 0; }')
  inside(host, `add rule inet fault out tcp dport ${set} tcp flags syn / syn,ack counter drop`)
  inside(host, `add rule inet fault out tcp dport ${set} drop`)
  inside(host, `add rule inet fault in tcp sport ${set} drop`)
  return () => heal(host)
}

/** Connections that the host tried to open since the cut, tries of the same one counted each. */
export function triesSince(host: LabHost): number {
  const { stdout } = spawnSync(host.within[0]!, [...host.within.slice(1), 'nft', 'list', 'table', 'inet', 'fault'], { encoding: 'utf8' })
  return Number(/counter packets (\d+)/.exec(stdout)?.[1] ?? 0)
}

/** The host's whole link. */
export function setLink(host: LabHost, up: boolean): void {
  const [program, ...args] = host.within
  run(program!, [...args, 'ip', 'link', 'set', 'wire', up ? 'up' : 'down'])
}

export function heal(host: LabHost): void {
  inside(host, 'flush ruleset')
}

const inside = (host: LabHost, rule: string): void => run(host.within[0]!, [...host.within.slice(1), 'nft', rule])

const ip = (...args: string[]): void => run('ip', args)

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()}`)
}

/** With what still runs in it. */
function remove(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
  for (const pid of stdout.split('\n').filter((line) => line !== '')) signal(Number(pid), 'SIGKILL')
  spawnSync('ip', ['netns', 'delete', name])
}

/** Those whose maker is gone. */
function removeLeftovers(): void {
  let names: string[] = []
  try {
    names = readdirSync('/run/netns')
  } catch {
    // There never was one.
  }
  for (const name of names) {
    const [, maker] = name.startsWith(PREFIX) ? (/^(\d+)-/.exec(name.slice(PREFIX.length)) ?? []) : []
    if (maker !== undefined && !isAlive(Number(maker))) remove(name)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
