/** Message-IDs within header fields, as threading compares them. RFC 5322 §3.6.4, RFC 5256 §2.3. */

/** Characters of one id; a longer one is none. */
const MAX_ID = 998

/**
 * Every `<left@right>` of an unfolded value, without its brackets: quotes that say nothing are taken off, so that `<"a"@b>` is `<a@b>`. What else stands
 * there is passed over. One walk over the text.
 */
export function messageIds(value: string, max = Number.POSITIVE_INFINITY): string[] {
  const ids: string[] = []
  let at = value.indexOf('<')
  while (at >= 0 && ids.length < max) {
    const reader = new IdReader(value, at + 1)
    const id = reader.id()
    if (id !== undefined && id.length <= MAX_ID) ids.push(id)
    at = value.indexOf('<', reader.at)
  }
  return ids
}

class IdReader {
  readonly #text: string
  at: number

  constructor(text: string, at: number) {
    this.#text = text
    this.at = at
  }

  id(): string | undefined {
    const left = this.#text[this.at] === '"' ? this.#quoted() : this.#plain()
    if (!left || this.#text[this.at] !== '@') return undefined
    this.at++
    const right = this.#text[this.at] === '[' ? this.#literal() : this.#plain()
    if (!right || this.#text[this.at] !== '>') return undefined
    this.at++
    return `${left}@${right}`
  }

  #plain(): string {
    const from = this.at
    while (this.at < this.#text.length && !' \t<>@"()'.includes(this.#text[this.at]!)) this.at++
    return this.#text.slice(from, this.at)
  }

  #quoted(): string {
    let text = ''
    for (this.at++; this.at < this.#text.length && this.#text[this.at] !== '"'; this.at++) {
      if (this.#text[this.at] === '\\') this.at++
      text += this.#text[this.at] ?? ''
    }
    this.at++
    return text
  }

  #literal(): string {
    const from = this.at
    while (this.at < this.#text.length && !' \t<>]'.includes(this.#text[this.at]!)) this.at++
    if (this.#text[this.at] === ']') this.at++
    return this.#text.slice(from, this.at).replace(/\\(.)/g, '$1')
  }
}
