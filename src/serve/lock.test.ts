import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { identify, isRunning } from '../process.ts'
import { lockFolder } from './lock.ts'
import { Refused } from './refused.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'postern-lock-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const owned = (pid: number, started: string) => writeFileSync(join(dir, 'postern.lock'), JSON.stringify({ pid, started }))

test('taken, named, given back', async () => {
  const lock = await lockFolder(dir)
  assert.equal(readFileSync(join(dir, 'postern.pid'), 'latin1'), `${process.pid}\n`)
  lock.release()
  assert.deepEqual(readdirSync(dir), [])
  lock.release()
})

test('refused while its owner lives', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const owner = identify(child.pid!)!
  owned(owner.pid, owner.started)
  await assert.rejects(lockFolder(dir), (e) => e instanceof Refused && e.message.includes(`process ${child.pid}`))
  assert.equal(existsSync(join(dir, 'postern.pid')), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isRunning(owner), false)
  const lock = await lockFolder(dir)
  lock.release()
})

test('a file of the dead, of another life of the same number, of nobody', async () => {
  const parent = process.ppid
  for (const text of [
    JSON.stringify({ pid: 999_999_999, started: 'x' }),
    JSON.stringify({ pid: parent, started: 'another boot:5' }), // the number lives, as somebody else
    '',
    'rubbish',
    '{"pid":"x"}',
  ]) {
    writeFileSync(join(dir, 'postern.lock'), text)
    writeFileSync(join(dir, 'postern.pid'), `${parent}\n`)
    const lock = await lockFolder(dir)
    assert.equal(readFileSync(join(dir, 'postern.pid'), 'latin1'), `${process.pid}\n`)
    lock.release()
  }
})

test('of many that find a dead owner at once, one gets it', async () => {
  owned(999_999_999, 'x')
  const script = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))}
    process.stdin.once('data', () => lockFolder(${JSON.stringify(dir)}).then(() => { console.log('mine'); setTimeout(() => {}, 1500) }, (e) => console.log(e.name)))
    console.log('ready')`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = children.map(() => '')
  await Promise.all(
    children.map(async (child, i) => {
      for await (const chunk of child.stdout) {
        said[i] += String(chunk)
        if (said.every((text) => text.startsWith('ready'))) for (const each of children) if (each.stdin.writable) each.stdin.end('go')
      }
    }),
  )
  assert.deepEqual(said.map((text) => text.split('\n')[1]).sort(), ['Refused', 'Refused', 'Refused', 'mine'])
})
