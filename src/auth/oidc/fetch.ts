/** JSON from the issuer, and from nobody else: in bounded time, of bounded size, without following it elsewhere. */
import { Unavailable } from '../../store/errors.ts'

const TIMEOUT_MS = 5_000
const MAX_OCTETS = 256 * 1024

/** The text and the status; throws Unavailable when it does not come. */
export async function fetchText(
  url: string,
  init: Pick<RequestInit, 'method' | 'headers' | 'body'> = {},
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.status, text: await bounded(response) }
  } catch (cause) {
    throw new Unavailable(`the issuer of tokens does not answer: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

async function bounded({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let octets = 0
  for await (const chunk of body ?? []) {
    octets += chunk.length
    if (octets > MAX_OCTETS) throw new Error('its answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Throws Unavailable for what is no JSON object, or not 200. */
export async function fetchJson(url: string, init?: Parameters<typeof fetchText>[1]): Promise<Readonly<Record<string, unknown>>> {
  const { status, text } = await fetchText(url, init)
  if (status !== 200) throw new Unavailable(`the issuer of tokens answers ${status}`)
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // said below
  }
  throw new Unavailable('the issuer of tokens answers with no JSON object')
}
