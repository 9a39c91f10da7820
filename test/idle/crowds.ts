/** Idle sessions in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Answer, CrowdTask, Heard, Order } from './crowd.ts'

const PROCESSES = 2
const AT_ONCE = 6
const PROGRAM = new URL('crowd.ts', import.meta.url).pathname

export interface Crowds extends AsyncDisposable {
  /** What the sessions were told since the last call. */
  collect(): Promise<Heard[]>
}

/** Resolves when `sessions` idle. Rejects, with nothing left behind, when one of them cannot. */
export async function openCrowds({ sessions, ...task }: Pick<CrowdTask, 'port' | 'ca' | 'users' | 'sessions'>): Promise<Crowds> {
  const children: ChildProcess[] = []
  const close = async (): Promise<void> => {
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      }),
    )
  }
  try {
    const half = Math.ceil(sessions / PROCESSES)
    await Promise.all(
      Array.from({ length: PROCESSES }, async (_, i) => {
        const child = fork(PROGRAM, { execArgv: [] })
        children.push(child)
        const addresses = ADDRESSES.slice(i * 2, i * 2 + 2)
        await ask(child, { open: { ...task, addresses, atOnce: AT_ONCE, first: i * half, sessions: Math.min(half, sessions - i * half) } })
      }),
    )
  } catch (err) {
    await close()
    throw err
  }
  return {
    async collect() {
      const answers = await Promise.all(children.map((child) => ask(child, { collect: true })))
      return answers.flatMap((answer) => ('heard' in answer ? answer.heard : []))
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Client addresses; the server's limits exempt them. */
export const ADDRESSES = ['127.0.0.11', '127.0.0.12', '127.0.0.13', '127.0.0.14'] as const

async function ask(child: ChildProcess, order: Order): Promise<Answer> {
  const gone = new AbortController()
  const onExit = (): void => gone.abort(new Error('a process of idle clients ended'))
  child.once('exit', onExit)
  try {
    const answered = once(child, 'message', { signal: gone.signal }) as Promise<[Answer]>
    child.send(order)
    const [answer] = await answered
    if ('failed' in answer) throw new Error(answer.failed)
    return answer
  } finally {
    child.off('exit', onExit)
  }
}
