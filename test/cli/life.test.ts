/** Signals and errors that nobody caught. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

async function live(
  how: string,
  act: (kill: (signal: NodeJS.Signals) => void, seen: (word: string) => Promise<void>) => Promise<void>,
): Promise<{ said: string[]; code: number | null }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'support', 'life-child.ts'), how], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const exited = once(child, 'close')
  await act(
    (signal) => child.kill(signal),
    async (word) => {
      for (let i = 0; i < 1_000 && !text.includes(word); i++) await sleep(10)
      assert.ok(text.includes(word), text)
    },
  )
  const [code] = (await exited) as [number | null]
  return { said: text.trim().split('\n'), code }
}

test('one signal lets sessions finish, a second one later does not, a doubled one is one', async () => {
  const { said, code } = await live('wait', async (kill, seen) => {
    await seen('started')
    kill('SIGHUP')
    await seen('reload')
    kill('SIGTERM')
    kill('SIGTERM')
    await seen('stop')
    await sleep(1_100)
    kill('SIGINT')
  })
  assert.deepEqual(said, ['starting', 'started', 'reload', 'stop 30000', 'stop 0'])
  assert.equal(code, 0)
})

test('a signal during the start counts when it is over', async () => {
  const { said, code } = await live('slow', async (kill, seen) => {
    await seen('starting')
    kill('SIGTERM')
  })
  assert.deepEqual(said, ['starting', 'started', 'stop 0'])
  assert.equal(code, 0)
})

test('a signal ends a start that waits for something', async () => {
  const { said, code } = await live('waiting', async (kill, seen) => {
    await seen('starting')
    kill('SIGTERM')
  })
  assert.deepEqual(said, ['starting'])
  assert.equal(code, 0)
})

test('an error that nobody caught: ten seconds for the sessions, exit code 1', async () => {
  const { said, code } = await live('crash', async () => {})
  assert.deepEqual(said, ['starting', 'started', 'stop 10000'])
  assert.equal(code, 1)
})
