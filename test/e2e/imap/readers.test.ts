/** Programs that people read and sort mail with: what they do is there afterwards, and what they saw was right. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, run, succeed } from '../../support/programs.ts'
import { DOMAIN, FarSide, makeSite, PASSWORD, type Site } from './site.ts'

const WITHIN = 90_000
const onTerminal = fileURLToPath(new URL('on-terminal.py', import.meta.url))
const python = fileURLToPath(new URL('extensions.py', import.meta.url))
const tokens = (n: number): string[] => Array.from({ length: n }, (_, i) => `t${`${i}`.padStart(3, '0')}`)

let site: Site
const dir = mkdtempSync(join(tmpdir(), 'postern-readers-'))
before(async () => {
  site = await makeSite(['mutt', 'filter', 'python'])
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

/** Runs neomutt with keys pushed; what it could not do it says on its screen. */
async function neomutt(mailbox: string, ...keys: string[]): Promise<string> {
  const config = join(dir, 'muttrc')
  const home = join(dir, 'mutt')
  mkdirSync(join(home, 'headers'), { recursive: true })
  const lines = [
    `set imap_user="mutt@${DOMAIN}" imap_pass="${PASSWORD}" folder="imaps://localhost:${site.port}/" spoolfile="+INBOX"`,
    `set ssl_force_tls=yes certificate_file="${site.ca}" ssl_ca_certificates_file="${site.ca}"`,
    `set header_cache="${home}/headers" message_cachedir="${home}" imap_condstore=yes imap_qresync=yes`,
    'set confirmappend=no confirmcreate=no delete=yes move=no mark_old=no wait_key=no quit=yes sleep_time=0 auto_tag=no imap_check_subscribed=no',
  ]
  writeFileSync(config, lines.join('\n'), { mode: 0o600 })
  const push = `push "${keys.join('')}"`
  const args = ['60', 'neomutt', '-n', '-F', config, '-f', `imaps://localhost:${site.port}/${mailbox}`, '-e', push]
  const { code, out } = await run('python3', [onTerminal, ...args], { within: WITHIN, env: { ...process.env, HOME: home } })
  if (code !== 0) console.log(out)
  assert.equal(code, 0, out)
  return out
}

test('neomutt: flags, copies, moves, deletes; a second start finds what others changed', {
  skip: missing('neomutt', 'python3'),
  timeout: 2 * WITHIN,
}, async () => {
  using far = await FarSide.open(site, 'mutt')
  await far.append('INBOX', tokens(60))
  const ends = '<sync-mailbox><quit>'
  await neomutt(
    'INBOX',
    '<tag-pattern>~s t00<enter><tag-prefix><flag-message><untag-pattern>~A<enter>',
    '<tag-pattern>~s t01<enter><tag-prefix><copy-message>=Archive<enter><untag-pattern>~A<enter>',
    '<tag-pattern>~s t02<enter><tag-prefix><save-message>=Sent<enter><untag-pattern>~A<enter>',
    '<delete-pattern>~s t03<enter>',
    ends,
  )
  const inbox = await far.contents('INBOX')
  assert.deepEqual(
    [...inbox.keys()].sort(),
    tokens(60).filter((token) => !/t0[23]/.test(token)),
  )
  for (const [token, flags] of inbox) assert.equal(flags.includes('F'), token.startsWith('t00'), `${token} ${flags}`)
  assert.deepEqual([...(await far.contents('Archive')).keys()].sort(), tokens(20).slice(10))
  assert.deepEqual([...(await far.contents('Sent')).keys()].sort(), tokens(30).slice(20))

  // Others' changes meanwhile: the header cache has to find out about them.
  await far.ok('SELECT INBOX')
  await far.ok(`UID STORE ${await far.uids(tokens(60).slice(40, 50))} +FLAGS.SILENT (\\Flagged)`)
  await far.ok(`UID STORE ${await far.uids(tokens(5))} +FLAGS.SILENT (\\Deleted)`)
  await far.ok('EXPUNGE')
  await far.append('INBOX', ['new1', 'new2'])
  await far.ok('UNSELECT')
  await neomutt('INBOX', '<delete-pattern>~F<enter>', ends)
  const left = tokens(60).filter((token) => /t01|t05/.test(token))
  assert.deepEqual([...(await far.contents('INBOX')).keys()].sort(), ['new1', 'new2', ...left])
})

test('imapfilter: searches, moves, copies, flags, deletes', { skip: missing('imapfilter'), timeout: WITHIN }, async () => {
  using far = await FarSide.open(site, 'filter')
  await far.append('INBOX', tokens(40))
  await far.append('INBOX', ['seen1', 'seen2'], '\\Seen')
  const config = join(dir, 'filter.lua')
  const lines = [
    'options.timeout = 60',
    'options.certificates = false',
    'options.create = true',
    'options.expunge = true',
    `account = IMAP { server = "localhost", port = ${site.port}, username = "filter@${DOMAIN}", password = "${PASSWORD}", ssl = "auto" }`,
    'inbox = account.INBOX',
    'results = inbox:contain_subject("mail t00") * inbox:is_unseen()',
    'results:move_messages(account["Lists/Ünïcode"])',
    'inbox:contain_field("X-Token", "t01"):copy_messages(account["Copies"])',
    'inbox:contain_body("This is t02"):mark_flagged()',
    'inbox:is_seen():delete_messages()',
    'left = inbox:is_larger(10) * inbox:contain_from("ann@sender.test") * inbox:is_newer(1)',
    'left:mark_seen()',
    'print(#inbox:select_all())',
    'mailboxes, folders = account:list_all("Lists")',
    'print(mailboxes[1])',
  ]
  writeFileSync(config, lines.join('\n'), { mode: 0o600 })
  const { out } = await succeed('imapfilter', ['-c', config, '-t', site.ca], { within: WITHIN, env: { ...process.env, HOME: dir } })
  assert.match(out, /^30\r?\n/m)
  const inbox = await far.contents('INBOX')
  assert.deepEqual([...inbox.keys()].sort(), tokens(40).slice(10))
  for (const [token, flags] of inbox) assert.equal(flags, token.startsWith('t02') ? 'FS' : 'S', token)
  assert.deepEqual([...(await far.contents('"Lists/&ANw-n&AO8-code"')).keys()].sort(), tokens(10))
  assert.deepEqual([...(await far.contents('Copies')).keys()].sort(), tokens(20).slice(10))
})

test('imaplib: what Python knows of IMAP', { skip: missing('python3'), timeout: WITHIN }, async (t) => {
  using far = await FarSide.open(site, 'python')
  await far.append('INBOX', tokens(30))
  const { out } = await succeed('python3', [python, `${site.port}`, `python@${DOMAIN}`, PASSWORD, site.ca, `mutt@${DOMAIN}`], { within: WITHIN })
  t.diagnostic(out.trim())
  assert.match(out, /^all well$/m)
  assert.ok(readFileSync(python, 'utf8').length > 0)
})
