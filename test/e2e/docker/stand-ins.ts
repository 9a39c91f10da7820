/**
 * Base images where no image registry can be reached: Debian, made by debootstrap once and kept, under the names that Dockerfile and Compose files use. They prove every
 * step of ours, not the official images themselves: postgres:18 is Debian's Postgres 15, redis:8 its Redis 7.0, haproxy its HAProxy 2.6.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { succeed } from '../../support/programs.ts'
import type { Engine } from './engine.ts'

/** Of what is kept: another one when what is done below changes. */
const EDITION = 1
const HERE = import.meta.dirname
const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin'
const ENTRYPOINT = 'ENTRYPOINT ["/usr/local/bin/entrypoint"]'

interface StandIn {
  readonly name: string
  readonly packages: readonly string[]
  /** As the official image has it. */
  readonly user: { readonly name: string; readonly id: number }
  readonly folder: { readonly path: string; readonly mode: string }
  readonly entrypoint: string
  readonly changes: readonly string[]
}

const STAND_INS: readonly StandIn[] = [
  {
    name: 'postgres:18',
    packages: ['postgresql-15'],
    user: { name: 'postgres', id: 999 },
    folder: { path: 'var/lib/postgresql', mode: '1777' },
    entrypoint: 'postgres.sh',
    changes: ['ENV PGDATA=/var/lib/postgresql/18/docker', 'VOLUME /var/lib/postgresql', 'CMD ["postgres"]'],
  },
  {
    name: 'redis:8',
    packages: ['redis-server'],
    user: { name: 'redis', id: 999 },
    folder: { path: 'data', mode: '0755' },
    entrypoint: 'command.sh',
    changes: ['VOLUME /data', 'WORKDIR /data', 'CMD ["redis-server"]'],
  },
  {
    name: 'haproxy:3.2',
    packages: ['haproxy'],
    user: { name: 'haproxy', id: 99 },
    folder: { path: 'var/lib/haproxy', mode: '0755' },
    entrypoint: 'command.sh',
    changes: ['USER haproxy', 'CMD ["haproxy", "-W", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]'],
  },
]

/** All of them in the engine, with node:24-slim. `node`: the program. */
export async function loadStandIns({ docker }: Engine, node: string): Promise<void> {
  const cache = process.env['POSTERN_STAND_INS'] ?? join(tmpdir(), 'postern-stand-ins')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  const base = await kept(cache, 'base', makeBase)
  for (const standIn of STAND_INS) {
    const tar = await kept(cache, standIn.name.replace(':', '-'), (folder) => makeStandIn(folder, base, standIn))
    await load(docker, tar, standIn.name, [PATH, ENTRYPOINT, ...standIn.changes])
  }
  await load(docker, base, 'stand-in-base', [PATH])
  const folder = mkdtempSync(join(cache, 'node-'))
  try {
    copyFileSync(node, join(folder, 'node'))
    cpSync(dirname(dirname(realpathSync((await succeed('which', ['npm'])).out.trim()))), join(folder, 'npm'), { recursive: true })
    writeFileSync(
      join(folder, 'Dockerfile'),
      'FROM stand-in-base\nCOPY node /usr/local/bin/\nCOPY npm /usr/local/lib/npm\nRUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm\n',
    )
    await docker(['build', '-q', '-t', 'node:24-slim', folder])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const load = async (docker: Engine['docker'], tar: string, name: string, changes: readonly string[]) =>
  void (await docker(['import', ...changes.flatMap((change) => ['--change', change]), tar, name]))

/** The tar of that name, made the first time: whole or not at all. */
async function kept(cache: string, name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const tar = join(cache, `${EDITION}-${name}.tar`)
  if (existsSync(tar)) return tar
  const folder = mkdtempSync(join(cache, 'making-'))
  try {
    const root = join(folder, 'root')
    mkdirSync(root)
    await make(root)
    for (const path of ['var/cache/apt', 'usr/share/doc', 'usr/share/locale', 'usr/share/man'])
      rmSync(join(root, path), { recursive: true, force: true })
    await succeed('tar', ['-C', root, '-cf', `${tar}.new`, '.'], { within: 300_000 })
    renameSync(`${tar}.new`, tar)
    return tar
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function makeBase(root: string): Promise<void> {
  await succeed('debootstrap', ['--variant=minbase', 'bookworm', root], { within: 600_000 })
  // No service of a package starts.
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
}

async function makeStandIn(root: string, base: string, { packages, user, folder, entrypoint }: StandIn): Promise<void> {
  await succeed('tar', ['-C', root, '-xf', base], { within: 300_000 })
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const inside = (...command: string[]) => succeed('chroot', [root, ...command], { within: 300_000, env })
  await inside('apt-get', 'install', '-q', '-y', '--no-install-recommends', ...packages)
  // Debian's user has another number than the official image's.
  await inside('sh', '-c', `userdel ${user.name}; groupdel ${user.name} 2>/dev/null; groupadd -g ${user.id} ${user.name}`)
  await inside('useradd', '-M', '-u', `${user.id}`, '-g', `${user.id}`, user.name)
  // Postgres's compiler for queries, larger than all the rest: it does without.
  await inside('sh', '-c', 'rm -rf /usr/lib/*/libLLVM* /usr/lib/postgresql/*/lib/bitcode /usr/lib/postgresql/*/lib/llvmjit.so /var/lib/postgresql/*')
  await inside('install', '-d', '-o', user.name, '-g', user.name, '-m', folder.mode, `/${folder.path}`)
  copyFileSync(join(HERE, 'stand-ins', entrypoint), join(root, 'usr/local/bin/entrypoint'))
}
