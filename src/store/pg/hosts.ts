/** DATABASE_URL with several hosts, as libpq writes it: `postgres://user@a:5432,b/mail?target_session_attrs=read-write`. pg takes one host: so one URL for each. */

const PARTS = /^(postgres(?:ql)?:\/\/(?:[^/?@]*@)?)([^/?]*)(.*)$/s
const SESSION_ATTRS = /[?&]target_session_attrs=([^&]*)/
/** Postern works on the primary only, whatever the URL says; a URL that asks for something else is a mistake. */
const PRIMARY = ['read-write', 'primary', 'any']
const MAX_HOSTS = 16

/** One URL for each host, in the order they are written. Throws with a sentence. */
export function urlsOf(url: string): string[] {
  const attrs = SESSION_ATTRS.exec(url)?.[1]
  if (attrs !== undefined && !PRIMARY.includes(attrs))
    throw new Error(
      `DATABASE_URL asks for target_session_attrs=${attrs}: mail is read and written on the primary only. Write read-write, or leave it out`,
    )
  const parts = PARTS.exec(url)
  if (!parts) return [url]
  const [, head, hosts, rest] = parts
  const list = hosts!.split(',')
  if (list.length === 1) return [url]
  if (list.length > MAX_HOSTS || list.includes('')) throw new Error(`DATABASE_URL may name 1 to ${MAX_HOSTS} hosts, divided by commas`)
  return list.map((host) => `${head}${host}${rest}`)
}

/** Which host is asked next: the last one that was good, until it fails; then the one after it. */
export class Hosts {
  readonly #urls: readonly string[]
  #at = 0

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  get count(): number {
    return this.#urls.length
  }

  get current(): string {
    return this.#urls[this.#at]!
  }

  /** Several connections to the same host may fail: the first one moves on. */
  failed(url: string): void {
    if (this.current === url) this.#at = (this.#at + 1) % this.#urls.length
  }
}
