/** What keeps the server from starting is said in one sentence, and nothing is left running. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { dataFolder, postern } from '../support/server.ts'

const made: string[] = []
after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})
function folder(config?: string): string {
  const dir = dataFolder()
  made.push(dir)
  if (config !== undefined) writeFileSync(join(dir, 'postern.yaml'), config)
  return dir
}
const GOOD = 'hostname: mail.example.test\ndomains: [example.test]\n'

describe('a config that is wrong', () => {
  for (const [what, text, expected] of [
    ['a key', `${GOOD}listen: 1\n`, '3:1: listen is no setting'],
    ['a type', `${GOOD}mailboxes: 7\n`, '3:12: mailboxes must be a list of mailboxes, not 7'],
    ['a file that is missing', `${GOOD}tls: {cert: none.pem, key: none.key}\n`, 'The certificate file'],
    ['a secret that is missing', `${GOOD}redis: {url_file: none}\n`, '3:19: redis.url_file names'],
    ['a relay’s authorities', `${GOOD}relay: {host: a.test, ca: none.pem}\n`, 'relay.ca names'],
    [
      'nothing to serve',
      `${GOOD}listeners: {${['mx', 'submission', 'submissions', 'imaps', 'pop3s', 'https'].map((s) => `${s}: {enabled: false}`).join(', ')}}\n`,
      'Every listener is switched off',
    ],
  ] as const)
    test(what, async () => {
      const dir = folder(text)
      const database = what.startsWith('a relay') || what.startsWith('nothing') ? await testDatabase() : undefined
      const { code, err } = await postern(['serve', '--data', dir, '--ports', 'auto'], { env: { DATABASE_URL: database?.url ?? '' } })
      await database?.close()
      assert.equal(code, 1)
      assert.ok(err.startsWith('postern: '), err)
      assert.ok(err.includes(expected), err)
      // No half-start: no database was made, no lock stays.
      assert.deepEqual(
        readdirSync(dir).filter((name) => name !== 'tls'),
        ['postern.yaml'],
      )
    })
})

test('a config that was named has to be there, and none is written for it', async () => {
  const dir = folder()
  const file = join(dir, 'mine.yaml')
  for (const [args, env] of [
    [['--config', file], {}],
    [[], { POSTERN_CONFIG: file }],
  ] as const) {
    const { code, err } = await postern(['serve', '--data', dir, ...args], { env })
    assert.equal(code, 1)
    assert.match(err, /^postern: .*mine\.yaml:1:1: the config file cannot be read: it is not there/)
  }
  assert.equal(existsSync(file), false)
})

test('a database that is not there, and one that is none', async () => {
  for (const [url, words] of [
    ['postgres://nobody@127.0.0.1:1/x', /^postern: The database cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:1\.$/m],
    ['mysql://x', /^postern: DATABASE_URL .* must be a URL that begins with postgres:/],
  ] as const) {
    const dir = folder(`${GOOD}database: {wait: 1 s}\n`)
    const { code, out, err } = await postern(['serve', '--data', dir, '--ports', 'auto'], { env: { DATABASE_URL: url } })
    if (url.startsWith('postgres')) assert.equal(out.match(/waiting for the database/g)?.length, 1)
    assert.equal(code, 1)
    assert.match(err, words)
    assert.equal(existsSync(join(dir, 'postern.lock')), false)
  }
})

describe('a port that another program has', () => {
  let database: TestDatabase
  test('is named, with what to do', async () => {
    database = await testDatabase()
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as AddressInfo
    const dir = folder(
      `${GOOD}listeners: {mx: {enabled: false}, imaps: {enabled: false}, submissions: {enabled: false}, submission: {enabled: false}, pop3s: {host: 127.0.0.1, port: ${port}}}\n`,
    )
    const { code, err } = await postern(['serve', '--data', dir], { env: { DATABASE_URL: database.url } })
    taken.close()
    await database.close()
    assert.equal(code, 1)
    assert.match(
      err,
      new RegExp(
        `^postern: pop3s cannot listen on port ${port} of 127\\.0\\.0\\.1: another program has it\\. Stop that one, set listeners\\.pop3s\\.port`,
      ),
    )
    assert.equal(existsSync(join(dir, 'endpoints.json')), false)
  })
})

test('a data folder that is a file', async () => {
  const dir = join(folder(), 'file')
  writeFileSync(dir, '')
  const { code, err } = await postern(['serve', '--data', dir])
  assert.deepEqual([code, err], [1, `postern: The data folder ${dir} cannot be used: it is a file.\n`])
})

test('wrong usage is 2, before anything is made', async () => {
  const dir = join(folder(), 'new')
  for (const args of [
    ['serve', 'now'],
    ['serve', '--ports', 'some'],
    ['serve', '--loud'],
    ['serve', '--data'],
    ['serve', '--password-stdin'],
    ['server'],
    [],
  ]) {
    const { code, err } = await postern(['--data', dir, ...args])
    assert.equal(code, 2, args.join(' '))
    assert.match(err, /^postern: .*\nTry "postern help"\.\n$/)
  }
  assert.equal(existsSync(dir), false)
  mkdirSync(dir)
})
