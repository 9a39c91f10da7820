/** Clients that others wrote: Python's poplib, curl, fetchmail. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Listener } from '../../../src/net/listener.ts'
import { missing, run, succeed } from '../../support/programs.ts'
import { type House, PASSWORD, pop3House } from './harness.ts'

let house: House
let listener: Listener
const dir = mkdtempSync(join(tmpdir(), 'postern-pop3-clients-'))
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client', carl: 'client', dora: 'delete' })
  listener = await house.serve()
})
after(async () => {
  await house.close()
  rmSync(dir, { recursive: true, force: true })
})

const header =
  'From: a@example.test\r\nTo: b@example.test\r\nMessage-ID: <n@example.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: test\r\n\r\n'
const MESSAGES = [
  `${header}Hello\r\n`,
  `${header}.\r\n..\r\n.dots\r\nGrüße\r\n`,
  `${header}${`${'long '.repeat(190)}\r\n`.repeat(400)}`,
  `${header}no end`,
  'Subject: x\n\nbare\n.\nline ends\n',
]

const POPLIB = `
import json, poplib, ssl, sys
port, ca, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
def session():
    pop = poplib.POP3_SSL('localhost', port, context=ssl.create_default_context(cafile=ca))
    pop.user(user); pop.pass_(password)
    return pop
pop = session()
count, octets = pop.stat()
sizes = [int(line.split()[1]) for line in pop.list()[1]]
ids = [line.split()[1].decode() for line in pop.uidl()[1]]
bodies = [b''.join(line + b'\\r\\n' for line in pop.retr(n + 1)[1]) for n in range(count)]
assert sizes == [len(body) for body in bodies], (sizes, [len(b) for b in bodies])
assert octets == sum(sizes)
assert pop.top(1, 0)[1][-1] == b''
capa = pop.capa()
assert 'UIDL' in capa and 'TOP' in capa and capa['SASL'] == ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN'], capa
for bad in ('RETR 99', 'DELE 0', 'LIST x'):
    try: pop._shortcmd(bad); assert False, bad
    except poplib.error_proto: pass
pop.dele(2); pop.dele(4); pop.rset(); pop.dele(1); pop.noop()
pop.quit()
pop = session()
assert [line.split()[1].decode() for line in pop.uidl()[1]] == ids[1:]
pop.dele(1); pop.close()
pop = session()
assert pop.stat()[0] == count - 1
pop.quit()
json.dump([body.decode('latin1') for body in bodies], sys.stdout)
`

test('poplib: reads, deletes, comes back', { skip: missing('python3') }, async () => {
  await house.append('anna', MESSAGES)
  const { out } = await succeed('python3', ['-c', POPLIB, `${listener.port}`, house.ca, 'anna@example.test', PASSWORD])
  assert.deepEqual(JSON.parse(out), [...MESSAGES.slice(0, 3), `${header}no end\r\n`, 'Subject: x\r\n\r\nbare\r\n.\r\nline ends\r\n'])
})

const curl = (path: string, ...args: string[]) =>
  run('curl', [
    '--silent',
    '--show-error',
    '--cacert',
    house.ca,
    '--user',
    `ben@example.test:${PASSWORD}`,
    `pop3s://localhost:${listener.port}/${path}`,
    ...args,
  ])

test('curl: lists, reads, deletes, by AUTH PLAIN', { skip: missing('curl') }, async () => {
  await house.append('ben', MESSAGES)
  assert.equal((await curl('')).out, MESSAGES.map((text, i) => `${i + 1} ${text.length + [0, 0, 0, 2, 5][i]!}\r\n`).join(''))
  for (const [i, text] of MESSAGES.slice(0, 3).entries()) {
    const { out, err } = await curl(`${i + 1}`)
    assert.equal(out, text, err)
  }
  assert.equal((await curl('2', '--request', 'DELE', '--head')).code, 0)
  assert.equal(await house.count('ben'), 4)
  assert.notEqual((await curl('9')).code, 0)
})

test('fetchmail: takes all and deletes; keeps, and takes only what is new', { skip: missing('fetchmail') }, async () => {
  await house.append('carl', MESSAGES.slice(0, 3))
  await house.append('dora', MESSAGES.slice(0, 2))
  const box = join(dir, 'box')
  const fetch = async (user: string, ...options: string[]): Promise<string> => {
    const rc = join(dir, 'fetchmailrc')
    writeFileSync(
      rc,
      `poll localhost protocol pop3 port ${listener.port} uidl user "${user}@example.test" password "${PASSWORD}" ssl sslcertck sslcertfile "${house.ca}" ${options.join(' ')} mda "cat >> ${box}"\n`,
    )
    chmodSync(rc, 0o600)
    writeFileSync(box, '')
    const ran = await run('fetchmail', ['--fetchmailrc', rc, '--idfile', join(dir, 'ids'), '--pidfile', join(dir, 'pid'), '--nodetach', '--nosyslog'])
    assert.ok(ran.code === 0 || ran.code === 1, `${ran.code} ${ran.out} ${ran.err}`)
    return readFileSync(box, 'latin1')
  }
  const subjects = (text: string): number => text.split('Subject: test').length - 1
  assert.equal(subjects(await fetch('carl', 'keep')), 3)
  assert.equal(subjects(await fetch('carl', 'keep')), 0)
  await house.append('carl', [MESSAGES[0]!])
  assert.equal(subjects(await fetch('carl', 'keep')), 1)
  assert.equal(await house.count('carl'), 4)
  const all = await fetch('carl', 'fetchall', 'nokeep')
  assert.equal(subjects(all), 4)
  assert.ok(all.includes('\n.\n..\n.dots\nGr'))
  assert.equal(await house.count('carl'), 0)
  // The policy decides, whatever the client wants. (Without fetchall it uses TOP for all of a message, which is no RETR.)
  assert.equal(subjects(await fetch('dora', 'fetchall', 'keep')), 2)
  assert.equal(await house.count('dora'), 0)
})
