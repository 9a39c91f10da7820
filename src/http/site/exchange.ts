/** What the public web service is asked and what it answers, without the protocol around it. */

export interface Question {
  readonly method: 'GET' | 'POST'
  /** The host that was asked for: lower case, without a port or a dot at its end. Empty: none was named. */
  readonly host: string
  /** As the client wrote it, without its query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Empty for GET. At most MAX_BODY octets. */
  readonly body: Buffer
  /** The client's address as text. */
  readonly remote: string
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  /** Content-Type. */
  readonly type: string
  readonly body: string | Buffer
  /** More of them, such as Content-Disposition. */
  readonly headers?: Readonly<Record<string, string>>
}

export type Respond = (question: Question) => Promise<Answer>

/** The largest body that a client may send, in octets: an Autodiscover request, or a form of two fields. */
export const MAX_BODY = 16 * 1024

export const plain = (status: number, text: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body: `${text}\n` })
