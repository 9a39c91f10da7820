/** As a new user: a fresh clone, `npm ci`, `npm start`; as root in /root, and as an ordinary user. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { npmStart } from '../../support/npm-start.ts'
import { missing, run, succeed } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'

const PROJECT = new URL('../../..', import.meta.url).pathname
const isRoot = process.getuid?.() === 0
/** Root's home is closed to others (0700), the embedded Postgres among them. */
const base = tempFolder('clone', isRoot ? homedir() : tmpdir())
const clone = join(base, 'postern')
after(() => removeFolder(base, join(base, 'data')))

/** What is in PATH but for this project's own programs: a new user has none of them. */
const PATH = (process.env['PATH'] ?? '')
  .split(':')
  .filter((folder) => !folder.includes('node_modules'))
  .join(':')
const isCheckout = existsSync(join(PROJECT, '.git'))
const SKIP = { skip: missing('git', 'curl') || (!isCheckout && 'not a git checkout') }

async function firstMail(dir: string, project: string): Promise<void> {
  const server = await npmStart(dir, { project, env: { PATH } })
  try {
    const { ca, host } = server.endpoints
    const { address, password } = server.user
    assert.match(server.output, new RegExp(`IMAP .*${server.port('imaps')} .*SSL/TLS .*${address}`))
    assert.ok(server.output.includes(password), 'the password is shown')
    assert.equal(statSync(join(dir, 'endpoints.json')).mode & 0o777, 0o600)
    const mail = join(base, 'mail.eml')
    writeFileSync(mail, `From: ${address}\r\nTo: ${address}\r\nSubject: first\r\n\r\nhello from ${project}\r\n`)
    const login = ['-sS', '--cacert', ca, '--user', `${address}:${password}`]
    await succeed('curl', [
      ...login,
      '--ssl-reqd',
      `smtp://${host}:${server.port('submission')}`,
      '--mail-from',
      address,
      '--mail-rcpt',
      address,
      '--upload-file',
      mail,
    ])
    for (const [scheme, service, path] of [
      ['imaps', 'imaps', 'INBOX;MAILINDEX=1'],
      ['pop3s', 'pop3s', '1'],
    ] as const) {
      const { out } = await succeed('curl', [...login, `${scheme}://${host}:${server.port(service)}/${path}`])
      assert.ok(out.endsWith(`hello from ${project}\r\n`), scheme)
    }
    const again = await run('npm', ['start', '--', '--data', dir, '--ports', 'auto'], { cwd: project, env: { ...process.env, PATH } })
    assert.notEqual(again.code, 0)
    assert.match(again.out + again.err, /Another Postern .* runs with the data folder/)
  } finally {
    assert.equal(await server.stop(), 0)
  }
  assert.ok(!existsSync(join(dir, 'endpoints.json')))
}

test('two commands in a fresh clone, and mail goes in and out', SKIP, async () => {
  await succeed('git', ['clone', '--quiet', '--no-hardlinks', PROJECT, clone])
  await succeed('npm', ['ci', '--no-audit', '--no-fund'], { cwd: clone, env: { ...process.env, PATH }, within: 200_000 })
  await firstMail(join(base, 'data'), clone)
})

test('the same as an ordinary user', { skip: SKIP.skip || (!isRoot && 'the other test ran as one') || missing('runuser') }, async () => {
  const open = tempFolder('user')
  try {
    // nobody has no home: npm wants one.
    mkdirSync(join(open, 'home'))
    await succeed('cp', ['-a', clone, join(open, 'postern')])
    await succeed('chown', ['-R', 'nobody', open])
    const script = `cd ${join(open, 'postern')} && exec npm start -- --data ${join(open, 'data')} --ports auto`
    const started = run('runuser', ['-u', 'nobody', '--', 'env', `HOME=${join(open, 'home')}`, `PATH=${PATH}`, 'sh', '-c', script], {
      within: 60_000,
    })
    const file = join(open, 'data', 'postern.pid')
    const endpoints = join(open, 'data', 'endpoints.json')
    let over = false
    const ended = started.then((ran) => {
      over = true
      return ran
    })
    while (!existsSync(endpoints) && !over) await new Promise((resolve) => setTimeout(resolve, 100))
    if (over) assert.fail(`${(await ended).out}\n${(await ended).err}`)
    const pid = (await succeed('cat', [file])).out.trim()
    process.kill(Number(pid), 'SIGTERM')
    assert.match((await ended).out, /Postern is ready/)
    assert.ok(readdirSync(join(open, 'data')).includes('postern.yaml'))
  } finally {
    removeFolder(open)
  }
})
