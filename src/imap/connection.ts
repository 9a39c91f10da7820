/** One connection: greeting, commands one after the other, BYE. Timers and floods are dealt with here; what a command does is not known here. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { channelBindings } from '../net/channel-binding.ts'
import { type Connection, Disconnected } from '../net/connection.ts'
import { DeflatedSocket } from '../net/deflate.ts'
import { LineReader, LineTooLong } from '../net/lines.ts'
import { Output, STALL_MS, WriteStalled } from '../net/output.ts'
import { dispatch, isEnd } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { type ReceiveContext, type Received, Receiver, type Refused } from './receive.ts'
import { Bye } from './reply.ts'
import { type Services, Session } from './session.ts'
import { ResponseWriter } from './wire/write.ts'

/** After the time for login is over, for what is under way: an answer that is held back, a literal. */
const LOGIN_GRACE_MS = 5_000

/** Serves the connection until its end. Throws only what is a fault of this program. */
export async function serveConnection(services: Services, connection: Connection, stop: AbortSignal, log: Log): Promise<void> {
  const imap = new ImapConnection(services, connection, log)
  const onStop = (): void => imap.session.end('Server is shutting down')
  const onClose = (): void => imap.session.end('closed by the client')
  stop.addEventListener('abort', onStop)
  connection.socket.once('close', onClose)
  if (stop.aborted) onStop()
  try {
    await imap.serve()
  } finally {
    stop.removeEventListener('abort', onStop)
    connection.socket.off('close', onClose)
    await imap.session.dispose()
  }
}

class ImapConnection implements Exchange {
  readonly session: Session
  #reader: LineReader
  #receiver: Receiver
  #deflated: DeflatedSocket | undefined
  #loginDue = 0
  #overdueTimer: NodeJS.Timeout | undefined
  readonly #connection: Connection
  #commands = 0
  #bad = 0
  #tokens: number
  #tokensAt = performance.now()
  /** What a command that waits does when it is woken, and its run that is under way. */
  #tick: (() => Promise<void>) | undefined
  #ticking: Promise<void> | undefined
  #woken = false

  constructor(services: Services, connection: Connection, log: Log) {
    const { socket, remote } = connection
    const out = new ResponseWriter(new Output(socket))
    const admitted = (): void => connection.admitted()
    const forgotten = (): void => this.#awaitLogin()
    this.session = new Session(services, {
      log: log.child({ remote }),
      remote,
      out,
      exchange: this,
      bindings: channelBindings(socket),
      admitted,
      forgotten,
    })
    this.#connection = connection
    this.#reader = new LineReader(socket, { stop: this.session.ending })
    this.#receiver = new Receiver(this.#reader, out, services.limits)
    this.#tokens = services.limits.idleCommands.burst
  }

  async serve(): Promise<void> {
    const { session } = this
    const started = performance.now()
    this.#awaitLogin()
    let why = 'closed by the client'
    try {
      await this.#greet()
      while (await this.#command());
      if (session.ending.aborted && !session.loggedOut) await this.#bye((why = String(session.ending.reason)))
    } catch (error) {
      if (!isEnd(error)) throw error
      why = error instanceof Error ? error.message : why
      // The client is gone where the error says so; for all others the reason is the last thing it hears.
      if (!(error instanceof Disconnected || error instanceof WriteStalled)) await this.#bye(why)
    } finally {
      await this.#deflated?.drained(STALL_MS)
      clearTimeout(this.#overdueTimer)
      const ms = Math.round(performance.now() - started)
      session.log[this.#connection.isProbe ? 'debug' : 'info']({ commands: this.#commands, ms, why }, 'imap session ended')
    }
  }

  async ask(text: string, max: number): Promise<Buffer> {
    this.session.out.output.write(`+ ${text}\r\n`)
    await this.session.out.flush()
    return await this.#rawLine(max)
  }

  async wait(max: number, tick: () => Promise<void>): Promise<Buffer> {
    this.#tick = tick
    if (this.#woken) this.wake()
    try {
      return await this.#rawLine(max)
    } finally {
      this.#tick = undefined
      await this.#ticking
    }
  }

  wake(): void {
    this.#woken = true
    if (this.#tick) this.#ticking ??= this.#ticks(this.#tick)
  }

  get compressed(): boolean {
    return this.#deflated !== undefined
  }

  /** Octets that came with the command are compressed already. */
  compress(): void {
    const { session } = this
    const came = this.#reader.detach()
    const deflated = new DeflatedSocket(this.#connection.socket, came, () => session.end('Compressed data cannot be read'))
    this.#deflated = deflated
    session.out.output.through(deflated)
    this.#reader = new LineReader(deflated, { stop: session.ending })
    this.#receiver = new Receiver(this.#reader, session.out, session.services.limits)
  }

  /** Never rejects. */
  async #ticks(tick: () => Promise<void>): Promise<void> {
    // Whoever wakes has others to wake.
    await undefined
    try {
      while (this.#woken && this.#tick === tick) {
        this.#woken = false
        await tick()
      }
    } catch (error) {
      this.#tick = undefined
      this.#reader.interrupt(error)
    } finally {
      this.#ticking = undefined
    }
  }

  async #greet(): Promise<void> {
    const { out, services } = this.session
    out.status('OK', `${services.hostname} ready`, ['CAPABILITY', ...this.session.capabilities()])
    await out.flush()
  }

  /** false: there will be no further command. */
  async #command(): Promise<boolean> {
    const { session } = this
    const received = await this.#next()
    if (!received) return false
    const start = performance.now()
    const { status, metered, afterwards } = await this.#answer(received)
    await session.out.flush()
    afterwards?.()
    this.#commands++
    const cmd = 'name' in received && this.session.registry.find(received.name) ? received.name : '(unknown)'
    session.log.debug({ cmd, ms: Math.round((performance.now() - start) * 10) / 10, result: status }, 'imap command')
    if (status === 'BAD') this.#countBad()
    if (metered) await this.#slow()
    return !session.ending.aborted && !session.loggedOut
  }

  /** Until the client says more, a session that asked for news is told of them (RFC 5465). */
  async #next(): Promise<Received | Refused | undefined> {
    const { notifier } = this.session
    if (!notifier) return await this.#receiver.next(this.#context())
    // NOTIFICATIONOVERFLOW ends it while this waits.
    this.#tick = async () => await this.session.notifier?.tell()
    const begun = async (): Promise<void> => {
      this.#tick = undefined
      await this.#ticking
    }
    try {
      if (this.#woken) this.wake()
      return await this.#receiver.next({ ...this.#context(), begun })
    } finally {
      await begun()
    }
  }

  #answer(received: Received | Refused): ReturnType<typeof dispatch> {
    if ('name' in received) return dispatch(this.session, received)
    const { tag, bad } = received
    this.session.out.tagged(tag).word('BAD').text(bad).end()
    return Promise.resolve({ status: 'BAD', text: bad, metered: true })
  }

  #context(): ReceiveContext {
    const { state, services } = this.session
    const anonymous = state === 'anonymous'
    return {
      anonymous,
      idleMs: anonymous ? Math.max(1, this.#loginDue - performance.now()) : services.limits.idleTime,
      isPrefix: (word) => this.session.registry.isPrefix(word),
      streamsBehind: (name) => {
        const command = this.session.registry.find(name)?.command
        return command?.states.includes(state) ? command.streamsBehind : undefined
      },
    }
  }

  /** A line within a command. */
  async #rawLine(max: number): Promise<Buffer> {
    try {
      const line = await this.#reader.readLine(max)
      if (line) return line
    } catch (error) {
      if (error instanceof LineTooLong) throw new Bye('Line too long')
      throw error
    }
    if (this.session.ending.aborted) throw new Bye(String(this.session.ending.reason))
    throw new Disconnected()
  }

  /** Too many lines that are no commands: no mail client, or a broken one. */
  #countBad(): void {
    const { access, services } = this.session
    if (++this.#bad >= (access ? services.limits.bad : services.limits.badAnonymous)) throw new Bye('Too many bad commands')
  }

  /** A token bucket: who fails or polls faster than it fills waits for a token. */
  async #slow(): Promise<void> {
    const { burst, perSecond } = this.session.services.limits.idleCommands
    const now = performance.now()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#tokensAt) * perSecond) / 1000) - 1
    this.#tokensAt = now
    if (this.#tokens < 0) await sleep((-this.#tokens * 1000) / perSecond, undefined, { ref: false })
  }

  #awaitLogin(): void {
    const { loginTime } = this.session.services.limits
    this.#loginDue = performance.now() + loginTime
    clearTimeout(this.#overdueTimer)
    this.#overdueTimer = setTimeout(() => this.#overdue(), loginTime + LOGIN_GRACE_MS).unref()
  }

  /** Not logged in yet, and something keeps the connection busy. */
  #overdue(): void {
    if (!this.session.access) this.#connection.socket.destroy()
  }

  async #bye(why: string): Promise<void> {
    try {
      this.session.out.status('BYE', why)
      await this.session.out.flush()
    } catch (error) {
      if (!(error instanceof Disconnected || error instanceof WriteStalled)) throw error
    }
  }
}
