/** From the answer to a login to an open maildrop: who it is, a place among the sessions, the lease, and the messages as they stand. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoginResult } from '../auth/login.ts'
import { levels } from '../counts.ts'
import type { Log } from '../log.ts'
import type { AccountAccess, MailboxAccess } from '../store/access.ts'
import type { Login } from '../store/accounts.ts'
import { Refusal } from '../store/errors.ts'
import { LEASE_RENEW_SECONDS, LEASE_SECONDS, type Lease, type Leases } from '../store/lease.ts'
import type { MailboxWatcher } from '../store/mailstore.ts'
import { freeze, type Maildrop } from './maildrop.ts'
import { Messages } from './message.ts'
import { type Done, No } from './reply.ts'
import type { OpenMaildrop, Session } from './session.ts'

/** After a release that failed: at once, since one that meets a connection which ended finds another the next time; then less and less often. Milliseconds. */
const RELEASE_AGAIN_MS = 50
const RELEASE_AGAIN_MOST_MS = 2_000
/** While a maildrop is in use. Milliseconds. */
const ASK_AGAIN_MS = 250

/** `+OK` with the maildrop open (RFC 1939 §4), or No. Whatever was taken on the way is given back when it fails. */
export async function logIn(session: Session, result: LoginResult): Promise<Done> {
  const { services, remote } = session
  session.user = undefined
  switch (result.kind) {
    case 'invalid':
      throw new No('The user name or the password is wrong', { code: 'AUTH' })
    case 'throttled':
      throw new No(`Too many failed logins, try again in ${result.retryAfter} seconds`, { code: 'LOGIN-DELAY' })
    case 'unavailable':
      throw new No('Logins cannot be checked at the moment, try again later', { code: 'SYS/TEMP' })
    case 'ok':
      break
    default:
      result satisfies never
  }
  const { access, login } = result
  const delay = services.delays.of(login)
  await delay.mayBegin()
  const leave = await services.presence.enter(
    { service: services.service, remote, account: access.account, kick: () => session.stop.abort() },
    { perAccount: services.limits.sessionsPerAccount },
  )
  if (!leave) throw new No('Too many sessions of this user', { code: 'IN-USE' })
  try {
    const mailbox = await openFolder(session, access, login)
    session.open = await openMaildrop(session, { mailbox, account: access, login, leave })
    await delay.begin()
  } catch (err) {
    if (session.open) await session.open.close()
    else leave()
    session.open = undefined
    throw err
  }
  session.admitted()
  const { messages, octets } = session.open.maildrop.total()
  return { ok: `Maildrop has ${messages} messages (${octets} octets)` }
}

/** The mailbox that is the maildrop. One that is not there is not made: where its user has renamed it, an empty maildrop would say that all mail is gone. */
async function openFolder({ services, log }: Session, access: AccountAccess, { account, pop3: { folder } }: Login): Promise<MailboxAccess> {
  const mailbox = await services.store.open(access, folder, true).catch((err: unknown) => {
    if (err instanceof Refusal && err.reason === 'nonexistent') return undefined
    throw err
  })
  // Never somebody else's: what this user's policy says is not for that mail.
  if (mailbox?.own) return mailbox
  log.warn({ account, folder }, 'the mailbox that is to be the maildrop does not exist')
  throw new No('The mailbox that POP3 is set to show does not exist', { code: 'SYS/PERM' })
}

async function openMaildrop(
  session: Session,
  who: { mailbox: MailboxAccess; account: AccountAccess; login: Login; leave: () => void },
): Promise<OpenMaildrop> {
  const { store, leases } = session.services
  const { mailbox, account, login, leave } = who
  const lease = await acquire(session, mailbox)
  const release = keepLease(leases, lease, { log: session.log, lost: () => session.stop.abort() })
  try {
    const maildrop = await readMaildrop(session, mailbox, login)
    const messages = new Messages(store, maildrop, ['header', 'body'])
    const headers = new Messages(store, maildrop, ['header'])
    const close = async (): Promise<void> => {
      messages.close()
      headers.close()
      leave()
      await release()
    }
    return { login, account, maildrop, messages, headers, lease, close }
  } catch (err) {
    await release()
    throw err
  }
}

/** Asks again for a while where it is in use: most sessions are over in a moment. */
async function acquire({ services: { leases, limits }, stop, gone }: Session, mailbox: MailboxAccess): Promise<Lease> {
  const until = performance.now() + limits.inUseWait
  const signal = AbortSignal.any([stop.signal, gone])
  for (;;) {
    try {
      return await leases.acquire(mailbox)
    } catch (err) {
      const left = until - performance.now()
      if (!(err instanceof Refusal && err.reason === 'in-use') || left <= 0 || signal.aborted) throw err
      await sleep(Math.min(ASK_AGAIN_MS, left), undefined, { signal }).catch(() => undefined)
    }
  }
}

/** The session keeps what it needs and does not watch the mailbox: what others do to it does not change the maildrop. */
const unwatched: MailboxWatcher = { changed: () => undefined, gone: () => undefined }

async function readMaildrop({ store, services }: Session, mailbox: MailboxAccess, { pop3, importedUidls }: Login): Promise<Maildrop> {
  await using selected = await store.select(mailbox, unwatched)
  // After the messages: of none of them is it missing.
  const [gains, uidls] = await Promise.all([store.crlfGains(mailbox), importedUidls ? store.importedUidls(mailbox.by) : undefined])
  const mended = pop3.outlookRepairs ? { mended: await services.blankLines.lackingIn(mailbox) } : {}
  return freeze(selected, { gains, uidls, ...mended, max: pop3.maxListed })
}

/** Renews the lease until the function that it returns is called, which lets it go. `lost`: it is somebody else's by now. */
export function keepLease(leases: Leases, lease: Lease, { log, lost }: { log: Log; lost: () => void }): () => Promise<void> {
  let held = true
  levels.maildrops++
  const wasLost = (): void => {
    if (!held) return
    log.warn({ account: lease.account }, 'the maildrop lease was lost')
    lost()
  }
  const unwatch = leases.watch(lease, wasLost)
  const renew = async (): Promise<void> => {
    try {
      if (!(await leases.renew(lease))) wasLost()
    } catch (err) {
      // It may run out meanwhile, but is ours until somebody takes it: the fence at QUIT knows.
      log.warn({ err, account: lease.account }, 'the maildrop lease could not be renewed')
    }
  }
  const timer = setInterval(() => void renew(), LEASE_RENEW_SECONDS * 1000).unref()
  return async () => {
    if (!held) return
    held = false
    levels.maildrops--
    unwatch()
    clearInterval(timer)
    await leases.release(lease).catch((err: unknown) => {
      log.warn({ err, account: lease.account }, 'the maildrop lease could not be let go, it is tried again until it runs out')
      void releaseLater(leases, lease)
    })
  }
}

/** The database was away: its user should not have to wait for the lease's end once it is back. */
async function releaseLater(leases: Leases, lease: Lease): Promise<void> {
  const until = performance.now() + LEASE_SECONDS * 1000
  for (let pause = RELEASE_AGAIN_MS; performance.now() < until; pause = Math.min(pause * 2, RELEASE_AGAIN_MOST_MS)) {
    await sleep(pause, undefined, { ref: false })
    const released = await leases.release(lease).then(
      () => true,
      () => false,
    )
    if (released) return
  }
}
