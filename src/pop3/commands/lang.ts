import { withoutSpaces } from '../arguments.ts'
import { command } from '../command.ts'
import { Bad, No } from '../reply.ts'

/** Tags and what the languages call themselves. i-default is English that everybody may be shown (RFC 2277 §4.5). */
const LANGUAGES: readonly (readonly [tag: string, name: string])[] = [
  ['en', 'English'],
  ['i-default', 'English'],
]
/** RFC 4647 §2.1. */
const RANGE = /^(?:\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,8})$/i

/** LANG [range]: the languages that replies are written in, or one of them. RFC 6856 §3. There is one, under its name and as the default. */
export const lang = command({
  name: 'LANG',
  rfc: 'RFC 6856 §3',
  states: ['authorization', 'transaction'],
  beforeTls: true,
  capability: 'LANG',
  parse(argument) {
    const range = withoutSpaces(argument).toLowerCase()
    if (range !== '' && !RANGE.test(range)) throw new Bad('This is no range of languages')
    return range
  },
  run(_session, range) {
    if (range === '') return { ok: 'The languages are', lines: LANGUAGES.map((each) => each.join(' ')) }
    const tag = range === '*' ? 'en' : lookUp(range)
    if (tag === undefined) throw new No('There are no replies in this language, only in en')
    return { ok: `${tag} Replies are in English` }
  },
})

/** RFC 4647 §3.4: en-GB is content with en. */
function lookUp(range: string): string | undefined {
  const found = LANGUAGES.find(([tag]) => tag === range)
  if (found) return found[0]
  const less = range.slice(0, Math.max(0, range.lastIndexOf('-'))).replace(/-[a-z0-9]$/, '')
  return less === '' ? undefined : lookUp(less)
}
