/** Thunderbird on a display of its own (Xvfb), told what to do through Marionette, its own remote control; what it has is read from its profile's files. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { missing } from '../../support/programs.ts'
import type { Account } from './site.ts'

/** Not the script of that name in the PATH, which looks for old profiles. */
const PROGRAM = '/usr/lib/thunderbird/thunderbird'
const START_WITHIN = 60_000
const SCRIPT_WITHIN = 60_000

/** The reason to skip, for node:test. */
export const noThunderbird = (): string | false => (existsSync(PROGRAM) ? missing('Xvfb') : 'not installed: thunderbird')

export interface Box {
  readonly name: string
  readonly account: Account
  /** `mail.server.serverN.` of its preferences, beside where and who it is. */
  readonly settings: Readonly<Record<string, string | number | boolean>>
}

/** "Leave messages on server", "until I delete them"; and neither. */
export const LEAVES = { leave_on_server: true, delete_mail_left_on_server: true }
export const DELETES = { leave_on_server: false }

type Preferences = Readonly<Record<string, string | number | boolean>>

const QUIET: Preferences = {
  // Any free port, which it writes into a file.
  'marionette.port': 0,
  'mailnews.pop3.loglevel': 'All',
  'devtools.console.stdout.chrome': true,
  'app.update.enabled': false,
  'app.donation.eoy.version.viewed': 999,
  'datareporting.policy.dataSubmissionEnabled': false,
  'mailnews.start_page.enabled': false,
  'mail.provider.suppress_dialog_on_startup': true,
  'mail.shell.checkDefaultClient': false,
  'mail.spotlight.firstRunDone': true,
}

function preferences(boxes: readonly Box[], more: Preferences): string {
  const all: Record<string, string | number | boolean> = {
    ...QUIET,
    ...more,
    ...{ 'mail.account.account0.server': 'server0', 'mail.server.server0.type': 'none', 'mail.accountmanager.localfoldersserver': 'server0' },
    ...{ 'mail.server.server0.hostname': 'Local Folders', 'mail.server.server0.userName': 'nobody' },
    'mail.accountmanager.accounts': ['account0', ...boxes.map((_, i) => `account${i + 1}`)].join(','),
    'mail.accountmanager.defaultaccount': 'account1',
  }
  for (const [i, { name, account, settings }] of boxes.entries()) {
    const server = `server${i + 1}`
    Object.assign(all, {
      [`mail.account.account${i + 1}.server`]: server,
      [`mail.account.account${i + 1}.identities`]: `id${i + 1}`,
      [`mail.identity.id${i + 1}.useremail`]: account.user,
      [`mail.identity.id${i + 1}.valid`]: true,
    })
    const its = {
      ...{ type: 'pop3', hostname: 'localhost', port: account.port, userName: account.user, name },
      // TLS from the first octet, a password as it is.
      ...{ socketType: 3, authMethod: 3, check_new_mail: false, login_at_startup: false },
      ...settings,
    }
    for (const [key, value] of Object.entries(its)) all[`mail.server.${server}.${key}`] = value
  }
  return Object.entries(all)
    .map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`)
    .join('')
}

/** Run within it, with its own privileges; `done` is called with what became of it. */
const STORE_PASSWORD = `
  const login = Cc['@mozilla.org/login-manager/loginInfo;1'].createInstance(Ci.nsILoginInfo)
  login.init('mailbox://localhost', null, 'mailbox://localhost', args.user, args.password, '', '')
  await Services.logins.addLoginAsync(login)`
const TRUST = `Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB).addCertFromBase64(args.certificate, 'C,,')`
/** What it would ask is noted, and answered as "Cancel" does. */
const NOTE_PROMPTS = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const shared = Cu.getGlobalForObject(MailServices)
  shared.asked = []
  shared.Services.prompt = {
    confirmEx: (_, title, text) => (shared.asked.push(text), 1),
    alert: (_, title, text) => void shared.asked.push(text),
    asyncPromptPassword: async () => false,
  }
  MailServices.mailSession.addUserFeedbackListener({
    QueryInterface: ChromeUtils.generateQI(['nsIMsgUserFeedbackListener']),
    onAlert: (text) => (shared.asked.push(text), true),
    onCertError() {},
  })`
const GET_MAIL = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const shared = Cu.getGlobalForObject(MailServices)
  shared.asked = []
  const server = MailServices.accounts.getIncomingServer(args.server)
  const inbox = server.rootMsgFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
  const window = Services.wm.getMostRecentWindow('mail:3pane')?.msgWindow ?? null
  const status = await new Promise((resolve) => {
    MailServices.pop3.GetNewMail(window, { OnStartRunningUrl() {}, OnStopRunningUrl: (_, status) => resolve(status) }, inbox, server)
  })
  return { ok: Components.isSuccessCode(status), asked: shared.asked, file: inbox.filePath.path }`
const DELETE_MESSAGE = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
  const inbox = MailServices.accounts.getIncomingServer(args.server).rootMsgFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
  const found = [...inbox.messages].filter((header) => header.mime2DecodedSubject === args.subject)
  if (found.length !== 1) throw new Error(args.subject + ': ' + found.length + ' of ' + [...inbox.messages].length)
  await new Promise((resolve) => inbox.deleteMessages(found, null, true, false, { onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() {}, onStopCopy: resolve }, false))`

export interface Got {
  readonly ok: boolean
  /** What it showed its user in a dialogue. */
  readonly asked: readonly string[]
  /** Its mbox. */
  readonly file: string
}

/** A display of its own that nobody looks at. */
class Screen {
  readonly display: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, display: string) {
    this.#child = child
    this.display = display
  }

  static async open(): Promise<Screen> {
    const child = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] })
    const [number] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [Buffer | number | null]
    if (!Buffer.isBuffer(number)) throw new Error(`Xvfb did not start (${number})`)
    return new Screen(child, `:${number.toString('latin1').trim()}`)
  }

  close(): void {
    this.#child.kill('SIGTERM')
  }
}

export class Thunderbird implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #remote: Marionette
  readonly #boxes: readonly Box[]
  /** What it printed: its log of POP3, among others. */
  #output = ''

  private constructor(child: ChildProcess, o: { remote: Marionette; boxes: readonly Box[] }) {
    this.#child = child
    this.#remote = o.remote
    this.#boxes = o.boxes
  }

  /** With these accounts, whose passwords it has stored. `dir`: its home, where it may have been before. `more`: preferences. */
  static async start(dir: string, boxes: readonly Box[], more: Preferences = {}): Promise<Thunderbird> {
    const profile = join(dir, 'profile')
    const first = !existsSync(profile)
    mkdirSync(profile, { recursive: true })
    writeFileSync(join(profile, 'user.js'), preferences(boxes, more))
    const portFile = join(profile, 'MarionetteActivePort')
    rmSync(portFile, { force: true })
    const args = ['--no-remote', '--profile', profile, '--marionette', '--remote-allow-system-access']
    const screen = await Screen.open()
    const env = { PATH: process.env['PATH'], HOME: dir, LANG: 'C.UTF-8', DISPLAY: screen.display, MOZ_ENABLE_WAYLAND: '0' }
    const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.once('exit', () => screen.close())
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    for (const until = performance.now() + START_WITHIN; !existsSync(portFile) || readFileSync(portFile, 'utf8') === ''; await sleep(50)) {
      if (child.exitCode === null && performance.now() < until) continue
      child.kill('SIGKILL')
      throw new Error(`Thunderbird did not start (${child.exitCode}):\n${output}`)
    }
    const remote = await Marionette.connect(Number(readFileSync(portFile, 'utf8')))
    const thunderbird = new Thunderbird(child, { remote, boxes })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: string) => (thunderbird.#output += text))
    await remote.run(NOTE_PROMPTS, {})
    if (first) {
      for (const ca of new Set(boxes.map(({ account }) => account.ca))) await thunderbird.trust(readFileSync(ca, 'latin1'))
      for (const { account } of boxes) await remote.run(STORE_PASSWORD, { user: account.user, password: account.password })
    }
    return thunderbird
  }

  /** The body of an async function of `args`, run within it. */
  run<T>(body: string, args: Readonly<Record<string, string>>): Promise<T> {
    return this.#remote.run<T>(body, args)
  }

  /** From now on it believes this authority. `pem`: its certificate. */
  async trust(pem: string): Promise<void> {
    await this.#remote.run(TRUST, { certificate: pem.replaceAll(/-----[^-]+-----|\s/g, '') })
  }

  /** "Get messages" of that account. */
  getMail(name: string): Promise<Got> {
    return this.#remote.run<Got>(GET_MAIL, { server: this.#server(name) })
  }

  /** As its user does: to the Trash of its own. */
  async deleteMessage(name: string, subject: string): Promise<void> {
    await this.#remote.run(DELETE_MESSAGE, { server: this.#server(name), subject })
  }

  /** What it said to the server of that account and the server to it since the last call, line by line: `C: …` and `S: …`. */
  dialogue(name: string): string[] {
    const its = new RegExp(`^console\\.debug: pop3\\.${this.#server(name)}\\.\\d+: "([CS]: .*)"$`, 'gm')
    const lines = [...this.#output.matchAll(its)].map(([, text]) => text!)
    this.#output = this.#output.replaceAll(its, '')
    return lines
  }

  async quit(): Promise<void> {
    const exited = once(this.#child, 'exit')
    await this.#remote.quit()
    await exited
  }

  /** Where it was not quit, something went wrong. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #server(name: string): string {
    return `server${this.#boxes.findIndex((box) => box.name === name) + 1}`
  }
}

const SEPARATOR = /^From - [^\n]*\n/gm
/** Behind each, whatever its own lines end with. */
const BLANK_LINE = '\r\n'
const ITS_OWN = /^(?:X-Account-Key|X-UIDL|X-Mozilla-Status2?|X-Mozilla-Keys): .*\n/

/** Without what it adds to a message: an mbox's "From ", its own header fields before all others, a ">" before lines that begin with "From ", a blank line at the end. */
export function mbox(file: string): Buffer[] {
  if (!existsSync(file)) return []
  const [, ...messages] = readFileSync(file, 'latin1').split(SEPARATOR)
  return messages.map((text) => {
    let message = text.slice(0, -BLANK_LINE.length)
    while (ITS_OWN.test(message)) message = message.replace(ITS_OWN, '')
    return Buffer.from(message.replaceAll(/^>(>*From )/gm, '$1'), 'latin1')
  })
}

/** A client of the remote control: arrays of JSON, each behind its length. */
class Marionette {
  readonly #socket: Socket
  #pending = Buffer.alloc(0)
  #id = 0
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>()

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.#answers.values()) reject(new Error('Thunderbird is gone'))
    })
  }

  static async connect(port: number): Promise<Marionette> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const remote = new Marionette(socket)
    await remote.#command('WebDriver:NewSession', {})
    await remote.#command('Marionette:SetContext', { value: 'chrome' })
    await remote.#command('WebDriver:SetTimeouts', { script: SCRIPT_WITHIN })
    return remote
  }

  /** The body of an async function of `args`, within Thunderbird. */
  async run<T>(body: string, args: Readonly<Record<string, string>>): Promise<T> {
    const script = `const [args, done] = arguments; (async () => { ${body} })().then((value) => done({ value }), (error) => done({ error: String(error) }))`
    const { value } = (await this.#command('WebDriver:ExecuteAsyncScript', { script, args: [args], sandbox: 'system', newSandbox: true })) as {
      value: { value: T; error?: string }
    }
    if (value.error !== undefined) throw new Error(value.error)
    return value.value
  }

  async quit(): Promise<void> {
    await this.#command('Marionette:Quit', { flags: ['eForceQuit'] })
    this.#socket.destroy()
  }

  #command(name: string, parameters: object): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>()
    this.#answers.set(++this.#id, answer)
    const text = JSON.stringify([0, this.#id, name, parameters])
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`)
    return answer.promise
  }

  #take(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes])
    for (;;) {
      const colon = this.#pending.indexOf(':')
      const end = colon + 1 + Number(this.#pending.toString('latin1', 0, colon))
      if (colon < 0 || this.#pending.length < end) return
      const message: unknown = JSON.parse(this.#pending.toString('utf8', colon + 1, end))
      this.#pending = this.#pending.subarray(end)
      // The first is a greeting.
      if (!Array.isArray(message)) continue
      const [, id, error, result] = message as [number, number, object | null, unknown]
      const answer = this.#answers.get(id)
      this.#answers.delete(id)
      if (error) answer?.reject(new Error(JSON.stringify(error)))
      else answer?.resolve(result)
    }
  }
}
