import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceName } from '../config/schema.ts'
import type { Listener } from '../net/listener.ts'
import { bindAll, type Wish } from './ports.ts'
import { Refused } from './refused.ts'

/** A machine on which some addresses cannot be had, and what was opened on it. */
class Machine {
  readonly open = new Set<string>()
  readonly #errors: ReadonlyMap<string, string>
  #free = 40_000
  constructor(errors: Record<string, string> = {}) {
    this.#errors = new Map(Object.entries(errors))
  }

  readonly listen = async (host: string, wanted: number): Promise<Listener> => {
    const port = wanted === 0 ? this.#free++ : wanted
    const code = this.#errors.get(`${host} ${port}`) ?? this.#errors.get(host) ?? this.#errors.get(`${port}`)
    if (code) throw Object.assign(new Error(code), { code })
    const name = `${host} ${port}`
    this.open.add(name)
    return { port, connections: 0, close: () => void this.open.delete(name), drain: async () => void this.open.delete(name) }
  }
}

const wishes = (machine: Machine, more: Partial<Wish> = {}) =>
  new Map<ServiceName, Wish>([
    ['imaps', { standard: 993, high: 2993, listen: machine.listen, ...more }],
    ['mx', { standard: 25, high: 2525, listen: machine.listen }],
  ])

test('standard ports, on every address, where they may be had', async () => {
  const machine = new Machine()
  const bound = await bindAll(wishes(machine), undefined)
  assert.deepEqual(
    bound.map(({ service, port, instead }) => [service, port, instead]),
    [
      ['mx', 25, undefined],
      ['imaps', 993, undefined],
    ],
  )
  assert.deepEqual([...machine.open], [':: 25', ':: 993'])
})

test('high ones where they may not, each for itself; and no IPv6', async () => {
  const machine = new Machine({ '25': 'EADDRINUSE', '993': 'EACCES', '::': 'EAFNOSUPPORT' })
  const bound = await bindAll(wishes(machine), undefined)
  assert.deepEqual(
    bound.map(({ port, instead }) => [port, instead]),
    [
      [2525, 'taken'],
      [2993, 'forbidden'],
    ],
  )
  assert.deepEqual([...machine.open], ['0.0.0.0 2525', '0.0.0.0 2993'])
})

test('what was asked for or nothing', async () => {
  for (const [choice, more, errors, words] of [
    ['standard', {}, { '25': 'EACCES' }, /^mx cannot listen on port 25: this user may not bind ports below 1024/],
    ['high', {}, { '2993': 'EADDRINUSE' }, /^imaps cannot listen on port 2993: another program has it/],
    [undefined, { port: 1993 }, { '1993': 'EADDRINUSE' }, /^imaps cannot listen on port 1993: another program has it/],
    [
      undefined,
      { host: '192.0.2.1' },
      { '192.0.2.1': 'EADDRNOTAVAIL' },
      /^imaps cannot listen on port 993 of 192\.0\.2\.1: this machine has no such address/,
    ],
    [undefined, {}, { '25': 'EACCES', '2525': 'EADDRINUSE' }, /^mx cannot listen on port 2525/],
  ] as const) {
    const machine = new Machine(errors as unknown as Record<string, string>)
    await assert.rejects(bindAll(wishes(machine, more), choice), (e) => e instanceof Refused && words.test(e.message))
    assert.deepEqual([...machine.open], [], 'nothing stays open')
  }
})

test('a flag goes before the config’s port', async () => {
  const machine = new Machine()
  const [, imaps] = await bindAll(wishes(machine, { port: 1993 }), 'high')
  assert.equal(imaps!.port, 2993)
})

test('auto: the same free port on both loopback addresses', async () => {
  const machine = new Machine({ '::1 40000': 'EADDRINUSE' })
  const bound = await bindAll(wishes(machine, { host: '192.0.2.1', port: 1993 }), 'auto')
  assert.deepEqual(
    bound.map(({ port, listeners }) => [port, listeners.length]),
    [
      [40001, 2],
      [40002, 2],
    ],
  )
  assert.deepEqual([...machine.open], ['127.0.0.1 40001', '::1 40001', '127.0.0.1 40002', '::1 40002'])
  const old = new Machine({ '::1': 'EADDRNOTAVAIL' })
  assert.deepEqual(
    (await bindAll(wishes(old), 'auto')).map(({ listeners }) => listeners.length),
    [1, 1],
  )
})
