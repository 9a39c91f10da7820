/** The set-up page and the profile for Apple's devices: forms that change nothing and are forgotten with their answer. */
import type { LoginResult } from '../../auth/login.ts'
import type { Login } from '../../store/accounts.ts'
import { sign } from '../setup/cms.ts'
import { PAGE_TYPE, STYLE_SOURCE } from '../setup/html.ts'
import { accountPage, LOGIN_PATH, PROFILE_PATH, type Problem, problemPage, startPage } from '../setup/page.ts'
import { PROFILE_NAME, PROFILE_TYPE, profile } from '../setup/profile.ts'
import { ours, type Reach } from '../setup/reach.ts'
import { type Answer, plain, type Question } from './exchange.ts'
import type { Route, Routes, SiteDeps } from './routes.ts'

type Deps = Pick<SiteDeps, 'authenticator' | 'keyPair'>

export const pages = (deps: Deps): Routes => ({
  [`get ${LOGIN_PATH}`]: (_, reach) => page(200, startPage(reach)),
  [`post ${LOGIN_PATH}`]: accountRoute(deps),
  [`post ${PROFILE_PATH}`]: profileRoute(deps),
})

/** It runs nothing and loads nothing, sends its forms here, and is in nobody's frame. */
const POLICY = `default-src 'none'; style-src ${STYLE_SOURCE}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`

const page = (status: number, body: string, headers: Answer['headers'] = {}): Answer => ({
  ...{ status, body, type: PAGE_TYPE },
  headers: { ...headers, 'Content-Security-Policy': POLICY },
})

/** The fields of a form that was sent. A field that came twice counts once. */
const fieldsOf = ({ body }: Question): URLSearchParams => new URLSearchParams(body.toString('utf8'))

const accountRoute =
  ({ authenticator }: Deps): Route =>
  async (question, reach) => {
    const fields = fieldsOf(question)
    const result = await logIn(authenticator, question, fields)
    return result.kind === 'ok' ? page(200, accountPage(reach, shownOf(result.login))) : refused(reach, result, fields)
  }

/** With a password it is in the file, and checked before: who mistypes it hears so here and not on the device. */
const profileRoute =
  ({ authenticator, keyPair }: Deps): Route =>
  async (question, reach) => {
    const fields = fieldsOf(question)
    const password = fields.get('password') ?? ''
    const incoming = fields.get('protocol') ?? ''
    const user = ours(reach, fields.get('address') ?? '')
    if (!user || (incoming !== 'imap' && incoming !== 'pop3')) return plain(400, 'An address of this server and a protocol are missing.')
    if (password !== '') {
      const result = await logIn(authenticator, question, fields)
      if (result.kind !== 'ok') return refused(reach, result, fields)
    }
    const text = profile(reach, { address: user.address, incoming, ...(password !== '' && { password }) })
    if (text === undefined) return plain(404, 'This server does not offer that.')
    // Unsigned it is taken too, with a warning.
    const body = sign(text, keyPair(), new Date()) ?? text
    return { status: 200, type: PROFILE_TYPE, body, headers: { 'Content-Disposition': `attachment; filename="${PROFILE_NAME}"` } }
  }

const logIn = (authenticator: Deps['authenticator'], { remote, signal }: Question, fields: URLSearchParams): Promise<LoginResult> =>
  authenticator.login({ user: fields.get('address') ?? '', password: fields.get('password') ?? '', service: 'https', remote, signal })

/** An app password shows what it is for. */
function shownOf({ address, pop3, app, appPasswords }: Login) {
  const used = app === undefined ? undefined : appPasswords.find(({ name }) => name === app)
  return { address, pop3, ...(used && { app: used.name, scopes: used.scopes }) }
}

function refused(reach: Reach, result: Exclude<LoginResult, { kind: 'ok' }>, fields: URLSearchParams): Answer {
  const retryAfter = result.kind === 'throttled' ? { retryAfter: result.retryAfter } : {}
  const problem: Problem = { kind: result.kind, address: fields.get('address') ?? '', ...retryAfter }
  const { status, html } = problemPage(reach, problem)
  return page(status, html, result.kind === 'throttled' ? { 'Retry-After': `${result.retryAfter}` } : {})
}
