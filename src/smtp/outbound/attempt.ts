/** One attempt to send one message to one domain: which way, over which connection, and what became of each recipient. */
import { Unconvertible } from '../../mail/seven-bit.ts'
import { Unavailable } from '../../store/errors.ts'
import { type Claim, type ClaimedRecipient, type Outcome, QUEUE_DOUBT_SECONDS, type Queue } from '../../store/queue.ts'
import { retryAfter, scheduleFor } from './backoff.ts'
import type { Said } from './client.ts'
import type { Connected, Connections } from './connections.ts'
import type { OutgoingMail } from './envelope.ts'
import { CutOff, Failure, failureOf } from './failure.ts'
import { deliverHere, type LocalDeps } from './local.ts'
import { shownHeader } from './report.ts'
import { type RouteOptions, type Way, wayTo } from './route.ts'
import { type OutgoingText, type TextDeps, textOf } from './text.ts'

export interface AttemptDeps extends LocalDeps, TextDeps {
  readonly store: LocalDeps['store'] & TextDeps['store']
  readonly queue: Pick<Queue, 'noteDot' | 'enqueue'>
  readonly connections: Connections
  readonly route: RouteOptions
  readonly owner: string
  readonly schedule?: readonly number[] | undefined
  /** Called when a server of the domain took our connection, or the domain is here. */
  readonly reached: () => void
  /** QUEUE_DOUBT_SECONDS if absent. */
  readonly doubtSeconds?: number | undefined
}

export interface Attempted {
  readonly outcomes: readonly Outcome[]
  /** No host of the domain could be used: what it said. */
  readonly unreachable: string | undefined
}

/** Never throws: whatever happens becomes an outcome. */
export async function attempt(claim: Claim, deps: AttemptDeps): Promise<Attempted> {
  const { recipients } = claim
  const here = await deliverHere(claim, deps).catch((err: unknown): Said[] => {
    const failure = new Failure(err instanceof Error ? err.message : String(err), { permanent: false, status: '4.3.0', cause: err })
    return recipients.map(() => failure)
  })
  if (here) deps.reached()
  const { said, unreachable } = here
    ? { said: here.map((one): Word => (one instanceof Failure ? one : { ...one, remote: '' })), unreachable: undefined }
    : await send(claim, deps)
  const outcomes = recipients.map((recipient, i) => outcomeOf(recipient, said[i]!, deps))
  return { outcomes, unreachable: deps.connections.aborted ? undefined : unreachable }
}

/** With the server's name. */
type Word = Said & { readonly remote: string; readonly inDoubt?: boolean; readonly passedOn?: boolean }

async function send(claim: Claim, deps: AttemptDeps): Promise<{ said: readonly Word[]; unreachable: string | undefined }> {
  const lost = (failure: Failure) => ({
    said: claim.recipients.map(() => failure),
    unreachable: failure.permanent || failure.cause instanceof Unavailable ? undefined : failure.said,
  })
  let way: Way
  try {
    way = await wayTo(claim.domain, deps.route, claim.message.tlsOptional ? 'optional' : 'default')
  } catch (err) {
    return lost(failureOf(err, claim.domain))
  }
  const kept = await deps.connections.take(way)
  // One that waited may have been closed meanwhile: that says nothing about the host.
  const first = kept && (await over(claim, kept, way, deps))
  if (first && (!first.retry || first.inDoubt)) return { said: first.said, unreachable: undefined }
  const fresh = deps.connections.open(way)
  let last: Sent | undefined
  try {
    for (;;) {
      const { value: connected } = await fresh.next()
      last = await over(claim, connected, way, deps)
      if (!last.retry || last.inDoubt) return { said: last.said, unreachable: undefined }
    }
  } catch (err) {
    const failure = failureOf(err, claim.domain)
    // What a host said that was reached says more than that another one was not; but where it is a no for good, that one may say yes.
    if (last?.final && !failure.permanent && failure.remote !== '') return { said: claim.recipients.map(() => failure), unreachable: undefined }
    return last ? { said: last.said, unreachable: last.before354 } : lost(failure)
  }
}

const OUR_FAULT = new Failure('The database of this server could not be asked', { permanent: false, status: '4.3.0' })

interface Sent {
  readonly said: readonly Word[]
  /** Nothing was decided: another host may be asked. */
  readonly retry: boolean
  readonly inDoubt: boolean
  /** What went wrong before the server asked for the text: that is about the host. Later it may be about this message alone. */
  readonly before354?: string | undefined
  /** This host will never take it. */
  readonly final?: boolean
}

async function over(claim: Claim, connected: Connected, way: Way, deps: AttemptDeps): Promise<Sent> {
  const { queue, connections, owner, reached } = deps
  reached()
  const { message, recipients } = claim
  const { client, hop, messages } = connected
  const remote = client.host
  let written: OutgoingText
  try {
    written = await textOf(message, client.has('8BITMIME'), deps)
  } catch (err) {
    connections.keep(way, { client, hop, messages })
    const said = err instanceof Unconvertible ? notSevenBit(err, remote) : OUR_FAULT
    const final = err instanceof Unconvertible
    return { said: recipients.map(() => said), retry: final, final, inDoubt: false }
  }
  let dot = false
  let ours: unknown
  let text = false
  const own = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (err) {
      ours = err
      throw err
    }
  }
  const octets = async function* (): AsyncGenerator<Buffer> {
    text = true
    try {
      yield* written.octets()
    } catch (err) {
      ours = err
      throw err
    }
  }
  try {
    const utf8Header = message.utf8 && !client.has('SMTPUTF8') && (await own(() => hasUtf8Header(message, deps.store)))
    const oneByOne = recipients.length > 1 && recipients.every(({ attempts }) => attempts > 1)
    const mail: OutgoingMail = { ...message, size: written.size, recipients, utf8Header, oneByOne }
    const said = await client.send(mail, octets, async () => (dot = await own(() => queue.noteDot(claim, recipients, owner))))
    connections.keep(way, { client, hop, messages: messages + 1 })
    return { said: said.map((one) => (one instanceof Failure ? one : { ...one, remote, passedOn: client.has('DSN') })), retry: false, inDoubt: false }
  } catch (err) {
    const failure = failureOf(err, remote)
    connections.keep(way, { client, hop, messages: messages + 1 })
    const all = (word: Word): Word[] => recipients.map((_, i) => (failure instanceof CutOff && failure.refused[i]) || word)
    // What our own store does not give, or does not note, says nothing about the host.
    if (ours !== undefined) return { said: all(OUR_FAULT), retry: false, inDoubt: false }
    // After the final dot without an answer nobody knows: no other host is asked now, or it comes twice for certain.
    const word: Word = Object.assign(failure, { inDoubt: dot })
    const { permanent: final, elsewhere: retry } = failure
    return { said: all(word), retry, final, inDoubt: dot, before354: text || final ? undefined : failure.said }
  }
}

/** Another server of the domain may take 8-bit. */
const notSevenBit = ({ status, message }: Unconvertible, remote: string): Failure =>
  new Failure(`${remote} does not take 8-bit text, and this message cannot be made 7-bit: ${message}`, { permanent: true, status, remote })

/** What was announced as internationalised may not be. */
const hasUtf8Header = async (message: Claim['message'], store: AttemptDeps['store']): Promise<boolean> =>
  (await shownHeader(message, { store })).some((octet) => octet > 127)

function outcomeOf(
  { id, epoch, attempts }: ClaimedRecipient,
  word: Word,
  { schedule, connections, doubtSeconds = QUEUE_DOUBT_SECONDS }: AttemptDeps,
): Outcome {
  const { status, said, remote } = word
  const told = { id, epoch, status, said, remote }
  if (!(word instanceof Failure)) return { kind: 'delivered', ...told, passedOn: word.passedOn }
  if (word.permanent) return { kind: 'failed', ...told }
  if (connections.aborted && !word.inDoubt) return { kind: 'released', ...told, said: '' }
  const wait = retryAfter(attempts, scheduleFor(status, schedule))
  return { kind: 'deferred', ...told, seconds: word.inDoubt ? Math.max(wait, doubtSeconds) : wait, inDoubt: word.inDoubt }
}
