/** The set-up page: what to type into a mail program, and a file for Apple's. It needs no script, and keeps nothing. */
import type { Pop3Policy } from '../../store/pop3-policy.ts'
import { html, type Markup, page } from './html.ts'
import { pop3Words } from './pop3-words.ts'
import { best, type Offer, offers, type Reach } from './reach.ts'

/** Form to this: `address`, `password`. */
export const LOGIN_PATH = '/'
/** Form to this: `address`, `protocol` (imap, pop3) and `password`; without one the file has none in it, and nothing is to be checked. */
export const PROFILE_PATH = '/mail.mobileconfig'

/** What an app password may be used for. */
export type Scope = Offer['protocol']
const ALL: readonly Scope[] = ['imap', 'pop3', 'smtp']

/** As a login ended that was not right. */
export interface Problem {
  readonly kind: 'invalid' | 'throttled' | 'unavailable'
  /** Whole seconds, where it is `throttled`. */
  readonly retryAfter?: number
  /** As it was typed: it stands in the form again. */
  readonly address?: string
}

const NAMES = { imap: 'IMAP', pop3: 'POP3', smtp: 'Sending (SMTP)' } as const
const SECURITY = { tls: 'SSL/TLS', starttls: 'STARTTLS' } as const

export function startPage(reach: Reach, problem?: Problem): string {
  const all = ALL.flatMap((protocol) => offers(reach, protocol))
  return page(
    `Mail at ${reach.hostname}`,
    html`<h1>Mail at ${reach.hostname}</h1>
${problem ? html`<p class="problem" role="alert">${wordsOf(problem)}</p>` : ''}
<p>This is a mail server. With your address and password it shows what to type into your mail program, and has a file that sets up an iPhone, an iPad or a Mac.</p>
<form method="post" action="${LOGIN_PATH}">
<label>Address <input name="address" value="${problem?.address ?? ''}" inputmode="email" autocomplete="username" autocapitalize="none" spellcheck="false" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Show my settings</button>
</form>
<h2>Without a login</h2>
<p>Most mail programs need no more than your address and password, and find the rest. If yours asks, these are its servers; the user name is your whole address.</p>
${table(reach, all)}`,
  )
}

/** The start page once more, with what went wrong, and the status that belongs to it. */
export const problemPage = (reach: Reach, problem: Problem): { readonly status: 403 | 429 | 503; readonly html: string } => ({
  status: ({ invalid: 403, throttled: 429, unavailable: 503 } as const)[problem.kind],
  html: startPage(reach, problem),
})

/** Whether there is such an address is not said. */
function wordsOf({ kind, retryAfter = 60 }: Problem): string {
  if (kind === 'invalid') return 'Wrong address or password.'
  if (kind === 'unavailable') return 'Logins cannot be checked at the moment. Please try again in a few minutes.'
  const minutes = Math.ceil(retryAfter / 60)
  return `Too many logins have failed. Please try again in ${minutes <= 1 ? 'a minute' : `${minutes} minutes`}.`
}

export interface AccountOptions {
  /** Of the user that is logged in, as the server has it. */
  readonly address: string
  /** That counts for the password that was used. */
  readonly pop3: Pop3Policy
  /** The app password that was used, if it was one, by name. */
  readonly app?: string | undefined
  /** What that password may be used for; absent: everything. */
  readonly scopes?: readonly Scope[] | undefined
}

export function accountPage(reach: Reach, { address, pop3, app, scopes = ALL }: AccountOptions): string {
  const usable = ALL.flatMap((protocol) => (scopes.includes(protocol) ? (best(reach, protocol) ?? []) : []))
  const reads = usable.filter(({ protocol }) => protocol !== 'smtp')
  const sends = usable.find(({ protocol }) => protocol === 'smtp')
  const which = app === undefined ? 'the password that you just used' : html`your app password “<bdi>${app}</bdi>”`
  return page(
    `Mail for ${address}`,
    html`<h1>Mail for <bdi>${address}</bdi></h1>
<p>This is what to type into a mail program with ${which}.</p>
${usable.length > 0 ? table(reach, usable) : html`<p class="problem">It is of no use for mail programs from outside.</p>`}
<p>User name: <code><bdi>${address}</bdi></code></p>
${reads.length > 0 && !sends ? html`<p class="problem">Mail can be read with it, and none sent.</p>` : ''}
${reads.length === 2 ? html`<p><b>IMAP</b> keeps your mail on the server, where all your devices see the same. <b>POP3</b> fetches it to one device. If in doubt, take IMAP.</p>` : ''}
${reads.length > 0 && sends ? programs(reads, sends) : ''}
${reads.length > 0 && sends ? profileForm(address, reads) : ''}
${reads.some(({ protocol }) => protocol === 'pop3') ? pop3Section(pop3, which) : ''}`,
  )
}

const table = ({ hostname }: Reach, of: readonly Offer[]): Markup => html`<table>
<thead><tr><th scope="col"></th><th scope="col">Server</th><th scope="col">Port</th><th scope="col">Security</th></tr></thead>
<tbody>
${of.map(
  ({ protocol, port, security }) =>
    html`<tr><th scope="row">${NAMES[protocol]}</th><td><code>${hostname}</code></td><td><code>${port}</code></td><td>${SECURITY[security]}</td></tr>
`,
)}</tbody>
</table>`

/** The words are the programs' own. */
function programs(reads: readonly Offer[], sends: Offer): Markup {
  const ports = [...reads, sends].map(({ protocol, port, security }) => `${NAMES[protocol]} ${port}, ${SECURITY[security]}`).join('; ')
  const types = reads.map(({ protocol }) => NAMES[protocol]).join(' or ')
  return html`<h2>Thunderbird</h2>
<ol>
<li>Add a mail account. Type your name, your address and the password: it finds the rest.</li>
<li>If it does not, choose <b>Configure manually</b>. Server, port, <b>Connection security</b> and user name as above, <b>Authentication method</b>: <b>Normal password</b>; the same for outgoing mail.</li>
</ol>
<h2>Outlook</h2>
<ol>
<li>The classic Outlook: <b>File</b>, <b>Account Settings</b>, <b>Manage Profiles</b>, <b>Email Accounts</b>, <b>New</b>, <b>Manual setup</b>, <b>POP or IMAP</b>.</li>
<li>Account type: ${types}. Both servers and the user name as above. <b>Secure Password Authentication</b>: off.</li>
<li><b>More Settings</b>, <b>Outgoing Server</b>: <b>My outgoing server requires authentication</b>, with the same settings.</li>
<li><b>Advanced</b>: ${ports}.</li>
</ol>
<p>The new Outlook, and Outlook on a phone, give your password to Microsoft, whose servers then read your mail here.</p>
<h2>iPhone, iPad, Mac</h2>
<ol>
<li>Take the file below. It has all of this in it.</li>
<li>Or by hand, on an iPhone or iPad: <b>Settings</b>, <b>Apps</b>, <b>Mail</b>, <b>Mail Accounts</b>, <b>Add Account</b>, <b>Add Other Account</b>, <b>Add Mail Account</b>. ${types}; host name and user name as above, for the outgoing server too.</li>
<li>Then, under <b>Advanced</b>: <b>Use SSL</b> on, <b>Authentication</b>: <b>Password</b>, ports as above.</li>
</ol>`
}

const profileForm = (address: string, reads: readonly Offer[]): Markup => html`<form method="post" action="${PROFILE_PATH}">
<input type="hidden" name="address" value="${address}">
<label>Password, if it is to be in the file; else the device asks for it <input name="password" type="password" autocomplete="off"></label>
${reads.map(
  ({ protocol }) => html`<button name="protocol" value="${protocol}">File for Apple devices, ${NAMES[protocol]}</button>
`,
)}<p class="small">Open it on the device. Then, on an iPhone or iPad: Settings, <b>Profile Downloaded</b>, Install; on a Mac: System Settings, <b>Device Management</b>. Whoever has a file with your password in it can read your mail: delete it afterwards.</p>
</form>`

function pop3Section(policy: Pop3Policy, which: string | Markup): Markup {
  const { fate, more, told } = pop3Words(policy)
  const advice =
    policy.afterDownload === 'client'
      ? 'If you read this mail elsewhere too, have the program leave messages on the server. Thunderbird does so, but deletes them 14 days later unless you untick “For at most 14 days”.'
      : undefined
  return html`<h2>What POP3 does with your mail</h2>
<p>With ${which}:</p>
<ul>
${[...fate, ...more].map(
  (sentence) => html`<li>${sentence}</li>
`,
)}</ul>
${advice === undefined ? '' : html`<p>${advice}</p>`}
<p class="small">Programs that ask are told <code>${told}</code>.</p>`
}
