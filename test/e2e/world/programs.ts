/** Servers that others wrote, as children of the test: started, waited for, ended. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  /** What it wrote so far. */
  readonly output: string
  /** It stands still, as if the network to it were cut. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

export interface Start {
  readonly args: readonly string[]
  /** File for what it writes. */
  readonly log: string
  /** It is there when somebody listens here. */
  readonly at: { readonly host: string; readonly port: number }
}

const WITHIN = 15_000

export async function startProgram(program: string, { args, log, at }: Start): Promise<Program> {
  const fd = openSync(log, 'a')
  const child = spawn(program, args, { stdio: ['ignore', fd, fd] })
  closeSync(fd)
  const output = (): string => readFileSync(log, 'utf8')
  let failed: Error | undefined
  child.on('error', (err) => {
    failed = err
  })
  const end = performance.now() + WITHIN
  while (!(await accepts(at))) {
    if (failed || child.exitCode !== null || performance.now() > end) {
      await stop(child)
      throw new Error(`${program} does not start: ${failed?.message ?? ''}\n${output()}`)
    }
    await sleep(50)
  }
  return {
    get output() {
      return output()
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    close: () => stop(child),
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000)
  await exited
  clearTimeout(timer)
}

const accepts = (at: Start['at']): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(at)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
