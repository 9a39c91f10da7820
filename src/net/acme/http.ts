/** One question to an authority by HTTPS: bounded in time and size, no redirects, no connection kept. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { AuthorityTrouble, plain } from './problem.ts'

export interface WebAnswer {
  readonly status: number
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface WebOptions {
  /** PEM of the authorities that count for its own certificate; those that everybody trusts if absent. */
  readonly ca?: string | undefined
  /** Milliseconds for one question, from the name look-up to the last octet. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
}

/** A certificate chain has some 6 KiB, a directory less than one. */
export const MAX_ANSWER = 256 * 1024
export const ANSWER_MS = 30_000

export type Web = (method: 'GET' | 'HEAD' | 'POST', url: string, body?: string) => Promise<WebAnswer>

/** What it gives rejects with AuthorityTrouble only. */
export function createWeb({ ca, timeout = ANSWER_MS, signal }: WebOptions): Web {
  const agent = new Agent({ keepAlive: false, ...(ca !== undefined && { ca }) })
  return async (method, url, body) => {
    const where = URL.canParse(url) ? new URL(url) : undefined
    if (where?.protocol !== 'https:') throw new AuthorityTrouble(`${plain(url) || 'nothing'} is no https:// URL`)
    const within = AbortSignal.timeout(timeout)
    try {
      return await ask(where, { method, body, agent, signal: signal ? AbortSignal.any([signal, within]) : within })
    } catch (cause) {
      const why = within.aborted ? `no answer within ${timeout / 1000} s` : cause instanceof Error ? cause.message || String(cause) : String(cause)
      throw new AuthorityTrouble(`${where.host} cannot be asked: ${why}`, { cause })
    }
  }
}

interface Asking {
  readonly method: string
  readonly body: string | undefined
  readonly agent: Agent
  readonly signal: AbortSignal
}

async function ask(where: URL, { method, body, agent, signal }: Asking): Promise<WebAnswer> {
  const headers = {
    // RFC 8555 §6.1 asks for both.
    'User-Agent': 'postern (node:https)',
    'Accept-Language': 'en',
    ...(body !== undefined && { 'Content-Type': 'application/jose+json', 'Content-Length': Buffer.byteLength(body) }),
  }
  const asked = request(where, { method, agent, signal, headers, maxHeaderSize: 16 * 1024 })
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const pieces: Buffer[] = []
  let octets = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    octets += piece.length
    if (octets > MAX_ANSWER) {
      answer.destroy()
      throw new Error(`its answer has more than ${MAX_ANSWER} octets`)
    }
    pieces.push(piece)
  }
  const one = (name: string): string | undefined => [answer.headers[name]].flat()[0]
  return {
    status: answer.statusCode ?? 0,
    body: Buffer.concat(pieces),
    headers: { location: one('location'), 'replay-nonce': one('replay-nonce'), 'retry-after': one('retry-after') },
  }
}

const MAX_RETRY_AFTER_MS = 7 * 86_400_000

/** RFC 9110 §10.2.3: seconds, or a date. undefined: none, or none that can be read. Never more than a week on. */
export function retryAtOf(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined
  const at = /^\d{1,9}$/.test(value.trim()) ? now + Number(value) * 1000 : Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at, now), now + MAX_RETRY_AFTER_MS)
}
