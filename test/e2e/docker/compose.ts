/** A folder with the project's docker/ in it, as somebody has it who follows the documentation, and `docker-compose` there. */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunOptions, succeed } from '../../support/programs.ts'
import type { Engine } from './engine.ts'

export const HOSTNAME = 'mail.example.org'
const HEALTHY_MS = 120_000

export interface Project {
  /** The folder docker/ of it. */
  readonly folder: string
  /** `docker-compose ARGS` to its end; its output. */
  compose(args: readonly string[], options?: RunOptions): Promise<string>
  /** The command of `postern` in its container; `input`: standard input. */
  postern(args: readonly string[], input?: string): Promise<string>
  /** A shell line in a service's container. */
  shell(service: string, line: string): Promise<string>
  logs(service: string): Promise<string>
  id(service: string): Promise<string>
  /** Waits until the container, the present one, is healthy; resolves to milliseconds waited. */
  healthy(...services: string[]): Promise<number>
  close(): Promise<void>
}

export interface ProjectOptions {
  readonly engine: Engine
  /** A tree of Postern. */
  readonly tree: string
  readonly name: string
  readonly file?: string
  /** The tag of the image. */
  readonly image?: string
}

export function project({ engine, tree, name, file = 'compose.yaml', image = 'postern' }: ProjectOptions): Project {
  const folder = join(tree, 'docker')
  // What an earlier project left there.
  rmSync(join(folder, 'config'), { recursive: true, force: true })
  cpSync(join(folder, '.env.example'), join(folder, '.env'))
  const env = { ...engine.env, NPM_CONFIG_REGISTRY: engine.registry, POSTERN_IMAGE: image }
  const compose = async (args: readonly string[], options: RunOptions = {}): Promise<string> =>
    (await succeed('docker-compose', ['-p', name, '-f', file, ...args], { cwd: folder, env, within: 600_000, ...options })).out
  const labels = (service: string) => [`project=${name}`, `service=${service}`].flatMap((label) => ['--filter', `label=com.docker.compose.${label}`])
  const id = async (service: string) => (await engine.docker(['ps', '-aq', ...labels(service)])).trim()
  return {
    folder,
    compose,
    id,
    postern: (args, input) => compose(['exec', '-T', 'postern', 'postern', ...args], { ...(input !== undefined && { input }) }),
    shell: async (service, line) => engine.docker(['exec', await id(service), 'sh', '-c', line]),
    async logs(service) {
      const { out, err } = await engine.run('vps', 'docker', ['logs', await id(service)], { env: engine.env })
      return out + err
    },
    async healthy(...services) {
      const started = performance.now()
      for (const service of services) {
        const container = await id(service)
        for (let state = ''; state !== 'running healthy'; await sleep(250)) {
          state = (await engine.docker(['inspect', '-f', '{{.State.Status}} {{.State.Health.Status}}', container])).trim()
          if (performance.now() - started > HEALTHY_MS)
            throw new Error(`${service} is ${state} after ${HEALTHY_MS / 1000} s:\n${(await engine.docker(['logs', container])).slice(-4000)}`)
          if (state === 'running healthy') break
        }
      }
      return performance.now() - started
    },
    close: async () => void (await compose(['down', '--volumes', '--timeout', '5'])),
  }
}

/** What the image is made of, as git has it listed and the files are now; `commit`: as it was then, with today's docker/. */
export async function copyTree(to: string, commit?: string): Promise<void> {
  mkdirSync(to, { recursive: true })
  const parts = ['package.json', 'package-lock.json', 'src', 'config', 'docker', '.dockerignore']
  const today = `git ls-files -z --cached ${parts.join(' ')} | tar --null -T - -c | tar -x -C "$0"`
  const then = `git archive ${commit} package.json package-lock.json src config | tar -x -C "$0" && cp -a docker .dockerignore "$0"`
  await succeed('sh', ['-euc', commit === undefined ? today : then, to])
  rmSync(join(to, 'docker/.env'), { force: true })
  rmSync(join(to, 'docker/config'), { recursive: true, force: true })
}
