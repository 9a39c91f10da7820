/** Programs that tests run: clients that we did not write. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The reason to skip when one of them is not installed, for node:test's `skip`; false when all are there. */
export function missing(...programs: string[]): string | false {
  const lacking = programs.filter((program) => !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program))))
  return lacking.length > 0 && `not installed: ${lacking.join(', ')}`
}

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions extends SpawnOptions {
  readonly input?: string | Buffer
  /** Milliseconds; the program is ended then. */
  readonly within?: number
}

/** Runs to the end; never rejects for an exit code. */
export function run(program: string, args: readonly string[], { input, within = 60_000, ...options }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: 'pipe' })
    const timer = setTimeout(() => child.kill('SIGKILL'), within)
    const texts = { out: [] as Buffer[], err: [] as Buffer[] }
    child.stdout.on('data', (chunk: Buffer) => texts.out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => texts.err.push(chunk))
    // A program that does not read its input to the end is no fault of ours.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out: Buffer.concat(texts.out).toString('latin1'), err: Buffer.concat(texts.err).toString('latin1') })
    })
  })
}

/** The same, and an exit code but 0 is an error with what the program said. */
export async function succeed(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await run(program, args, options)
  if (ran.code !== 0) throw new Error(`${program} ended with ${ran.code}\n${ran.out}\n${ran.err}`)
  return ran
}
