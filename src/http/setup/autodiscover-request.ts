/** What Outlook asks: XML from anybody, of which two texts count. */
import sax from 'sax'

/** Entities are the five of XML itself. Its bounds on single names and texts are only held where it counts positions. */
const OPTIONS = { strictEntities: true, position: true }
/** Characters. Outlook sends 400. */
export const MAX_REQUEST = 16_384
const MAX_DEPTH = 16
/** Characters of one text that are looked at. */
const MAX_TEXT = 1_024
const MAX_NAME = 64
const REQUEST = '/autodiscover/request'

export interface AutodiscoverRequest {
  /** As it was written; empty: there is none. */
  readonly address: string
  /** The name of the schema that the answer is wanted in; empty: any. */
  readonly schema: string
}

/** MS-OXDSCLI §2.2.3.1, whatever its namespaces. undefined: it is no such request. No DTD is read, and no entity but XML's own five. */
export function readAutodiscover(text: string): AutodiscoverRequest | undefined {
  if (text.length > MAX_REQUEST) return undefined
  const reader = new Reader()
  try {
    reader.read(text)
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  }
  return reader.result
}

class Unreadable extends Error {}

class Reader {
  readonly #texts = new Map<string, string>()
  #path: string[] = []
  #text = ''

  get result(): AutodiscoverRequest | undefined {
    if (!this.#texts.has(REQUEST)) return undefined
    const of = (name: string): string => this.#texts.get(`${REQUEST}/${name}`) ?? ''
    return { address: of('emailaddress'), schema: of('acceptableresponseschema') }
  }

  read(text: string): void {
    const parser = sax.parser(true, OPTIONS)
    const refuse = (): never => {
      throw new Unreadable()
    }
    parser.onopentag = ({ name }) => {
      // One root, which sax does not look after.
      if (this.#path.length === 0 && this.#texts.size > 0) refuse()
      if (
        this.#path.push(
          name
            .slice(name.indexOf(':') + 1)
            .slice(0, MAX_NAME)
            .toLowerCase(),
        ) > MAX_DEPTH
      )
        refuse()
      this.#text = ''
    }
    parser.ontext = parser.oncdata = (some) => {
      if (this.#text.length < MAX_TEXT) this.#text += some.slice(0, MAX_TEXT)
    }
    parser.onclosetag = () => {
      const path = `/${this.#path.join('/')}`
      // The first of each counts.
      if (!this.#texts.has(path)) this.#texts.set(path, this.#text.trim())
      this.#path.pop()
      this.#text = ''
    }
    parser.ondoctype = refuse
    parser.onerror = refuse
    parser.write(text).close()
  }
}
