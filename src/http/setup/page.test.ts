import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { reachOf } from '../../../test/support/reach.ts'
import { COMMANDS } from '../../pop3/commands/index.ts'
import { createRegistry } from '../../pop3/registry.ts'
import type { Session } from '../../pop3/session.ts'
import { AFTER_DOWNLOAD, DEFAULT_POP3, type Pop3Policy, pop3Policy } from '../../store/pop3-policy.ts'
import { STYLE_SOURCE } from './html.ts'
import { type AccountOptions, accountPage, problemPage, startPage } from './page.ts'

const registry = createRegistry(COMMANDS)
/** What CAPA says after a login with it. */
const expire = (pop3: Pop3Policy): string =>
  registry.capabilities({ mechanisms: [], secure: true, open: { login: { pop3 } } } as unknown as Session).find((line) => line.startsWith('EXPIRE'))!

const account = (options: Partial<AccountOptions> = {}): string =>
  accountPage(reachOf(), { address: 'ann@example.org', pop3: DEFAULT_POP3, ...options })
/** Its text, without its style. */
const text = (page: string): string =>
  page
    .replace(/<style>.*<\/style>/s, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))

/** docs/pop3.md → what the page says of it. */
const DELETED: Readonly<Record<string, RegExp>> = {
  expunged: /deletes on the server is deleted for good/,
  'hidden from POP3 with the keyword `$POP3Deleted`; IMAP has it still': /deletes on the server is hidden from POP3 only: IMAP has it still/,
  'moved to the mailbox with \\Trash': /deletes on the server is moved to your Trash/,
  'moved to the mailbox with \\Archive': /deletes on the server is moved to your Archive/,
}
const FETCHED: Readonly<Record<string, RegExp>> = {
  stays: /What it fetches and does not delete stays on the server/,
  expunged: /What it fetches is deleted for good, too/,
  'moved there': /What it fetches is moved there, too/,
}

test('docs, page and CAPA say the same of every policy', () => {
  const rows = [...readFileSync('docs/pop3.md', 'utf8').matchAll(/^\| `(\w+)`(?: \(default\))? \| (.+?) \| (.+?) \| `(EXPIRE \w+)` \|/gm)]
  assert.deepEqual(rows.map(([, policy]) => policy).sort(), [...AFTER_DOWNLOAD].sort())
  for (const [, word, deleted, fetched, told] of rows) {
    const pop3 = pop3Policy({ afterDownload: word as Pop3Policy['afterDownload'] })
    const shown = text(account({ pop3 }))
    assert.equal(expire(pop3), told, word)
    assert.match(shown, new RegExp(`Programs that ask are told ${told}\\.`), word)
    for (const [words, said, all] of [
      [deleted!, shown, DELETED],
      [fetched!, shown, FETCHED],
    ] as const)
      assert.deepEqual(
        Object.keys(all).filter((key) => all[key]!.test(said)),
        [words],
        word,
      )
  }
})

function* policies(): Generator<Pop3Policy> {
  for (const afterDownload of AFTER_DOWNLOAD)
    for (const keepDays of [undefined, 1, 30])
      for (const folder of ['INBOX', 'inbox', 'Reports'])
        for (const seenOnRetr of [false, true])
          for (const maxListed of [undefined, 1, 1_000])
            for (const loginDelay of [0, 1, 60, 90])
              for (const outlookRepairs of [false, true])
                yield pop3Policy({ afterDownload, keepDays, folder, seenOnRetr, maxListed, loginDelay, outlookRepairs })
}

test('what EXPIRE says and what the page says never differ, whatever else is set; and each setting is told, and only where it is set', () => {
  let count = 0
  for (const pop3 of policies()) {
    const shown = text(account({ pop3 }))
    const told = expire(pop3)
    const about = JSON.stringify(pop3)
    assert.ok(shown.includes(`are told ${told}.`), about)
    assert.equal(shown.includes('does not delete stays on the server'), told === 'EXPIRE NEVER', about)
    assert.equal(shown.includes('also where the program is told to leave messages'), told === 'EXPIRE 0', about)
    const keeps = pop3.afterDownload === 'keep'
    assert.equal(shown.includes('hidden stays until you delete it by IMAP'), keeps && pop3.keepDays === undefined, about)
    assert.equal(
      /hidden is deleted for good (a day|30 days) later/.exec(shown)?.[1],
      keeps && pop3.keepDays ? (pop3.keepDays === 1 ? 'a day' : '30 days') : undefined,
    )
    assert.equal(shown.includes('counts as read for IMAP'), pop3.seenOnRetr, about)
    assert.equal(shown.includes('your mailbox “Reports”, not your inbox'), pop3.folder === 'Reports', about)
    assert.equal(shown.includes('Where that is your Trash'), pop3.folder === 'Reports' && pop3.afterDownload === 'trash', about)
    assert.equal(shown.includes('Where that is your Archive'), pop3.folder === 'Reports' && pop3.afterDownload === 'archive', about)
    assert.equal(
      /POP3 shows the (newest message|\d+ newest messages);/.exec(shown)?.[1],
      { 1: 'newest message', 1000: '1000 newest messages' }[pop3.maxListed ?? 0],
    )
    assert.equal(/may come (.*?) after the last/.exec(shown)?.[1], { 1: '1 second', 60: '1 minute', 90: '90 seconds' }[pop3.loginDelay], about)
    assert.equal(shown.includes('old versions of Outlook'), pop3.outlookRepairs, about)
    count++
  }
  assert.equal(count, 5 * 3 * 3 * 2 * 3 * 4 * 2)
})

test('the account page names servers, ports, security and user', () => {
  const shown = text(account())
  for (const row of [/IMAPmail\.example\.org993SSL\/TLS/, /POP3mail\.example\.org995SSL\/TLS/, /Sending \(SMTP\)mail\.example\.org465SSL\/TLS/])
    assert.match(shown, row)
  assert.match(shown, /User name: ann@example\.org/)
  for (const program of ['Thunderbird', 'Outlook', 'iPhone, iPad, Mac']) assert.ok(account().includes(`<h2>${program}</h2>`), program)
  assert.match(
    text(accountPage(reachOf({ imaps: 993, submission: 587 }), { address: 'a@example.org', pop3: DEFAULT_POP3 })),
    /mail\.example\.org587STARTTLS/,
  )
})

test('an app password shows what it is good for', () => {
  const shown = (scopes: AccountOptions['scopes']) => text(account({ app: 'phone', scopes }))
  assert.match(shown(['imap', 'pop3', 'smtp']), /your app password “phone”/)
  assert.doesNotMatch(shown(['imap', 'smtp']), /What POP3 does|995|POP3/)
  assert.match(shown(['pop3']), /Mail can be read with it, and none sent/)
  assert.match(shown([]), /of no use for mail programs/)
  assert.doesNotMatch(account({ scopes: ['pop3'] }), /<button/)
})

test('forms: a login, and a file with or without the password', () => {
  const fields = (page: string) => [...page.matchAll(/<(?:form[^>]* action|(?:input|button)[^>]*? name)="([^"]*)"/g)].map(([, name]) => name)
  assert.deepEqual(fields(startPage(reachOf())), ['/', 'address', 'password'])
  assert.deepEqual(fields(account()), ['/mail.mobileconfig', 'address', 'password', 'protocol', 'protocol'])
  for (const page of [startPage(reachOf()), account()]) assert.doesNotMatch(page, /<script|\son\w+=|https?:\/\/|<a |style=/)
})

test('what went wrong', () => {
  const problem = (kind: 'invalid' | 'throttled' | 'unavailable', retryAfter?: number) => {
    const { status, html } = problemPage(reachOf(), { kind, address: 'ann@example.org', ...(retryAfter !== undefined && { retryAfter }) })
    assert.match(html, /<input name="address" value="ann@example\.org"/)
    return `${status} ${/role="alert">(.*?)</.exec(html)?.[1]}`
  }
  assert.equal(problem('invalid'), '403 Wrong address or password.')
  assert.equal(problem('throttled', 30), '429 Too many logins have failed. Please try again in a minute.')
  assert.equal(problem('throttled', 3_601), '429 Too many logins have failed. Please try again in 61 minutes.')
  assert.match(problem('unavailable'), /^503 Logins cannot be checked/)
  assert.doesNotMatch(startPage(reachOf()), /role="alert"/)
})

test('no domain is named to who has not logged in', () => {
  assert.doesNotMatch(startPage(reachOf()), /bcher/)
})

test('the policy for styles names this one', () => {
  const style = /<style>(.*)<\/style>/s.exec(startPage(reachOf()))![1]!
  assert.equal(STYLE_SOURCE, `'sha256-${createHash('sha256').update(style).digest('base64')}'`)
})
