/** Address lists and parameters made up at random, correct ones only, as far as Python reads those: it knows no pieces of names with a dash, and no `"\\"`. */
import type { CorpusMessage } from '../support/corpus.ts'
import { dice } from './made-up.ts'

const ATOMS = ['ann', 'b', "o'n", 'x+y', '=?utf-8?q?a=20b?=', 'ü', 'a-b', '_x']
const QUOTED = ['"q r"', '"a,b"', '"x@y"', '"e\\"f\\\\"', '"a;b:c"', '"(no)"', '"<z>"']
const LOCALS = ['ann', 'ann.b', 'x+y', 'a_b', "o'n"]
const DOMAINS = ['example.test', 'a-b.test', '[192.0.2.1]', 'x']
const SPACE = ['', ' ', ' ', ' ', '\r\n ', '\r\n\t']
const VALUES = ['x', 'utf-8', 'a.b', "o'n", 'a_b', '"a b"', '"a;b"', '"a\\"b"', '"a=b"', '""', '"x/y"']

export function madeUpFields(seed: number, count: number): CorpusMessage[] {
  const { below, pick } = dice(seed)
  const some = (least: number, most: number, make: () => string): string[] => Array.from({ length: least + below(most - least + 1) }, make)

  const phrase = () => some(1, 3, () => pick(below(3) > 0 ? ATOMS : QUOTED)).join(' ')
  const spec = () => `${pick(below(5) > 0 ? LOCALS : QUOTED)}@${pick(DOMAINS)}`
  const named = () => `${phrase()}${pick([' ', '', '\r\n '])}<${pick(['', '', '', '@route.test:'])}${spec()}>${pick(['', '', ' (comment)'])}`
  const mailboxes = () => some(1, 3, () => pick([spec, named, () => `<${spec()}>`])()).join(`${pick(SPACE)},${pick(SPACE)}`)
  const group = () => `${phrase()}:${pick(SPACE)}${below(4) > 0 ? mailboxes() : ''};`
  const addresses = () => some(1, 2, () => (below(5) > 0 ? mailboxes() : group())).join(`,${pick(SPACE)}`)

  const PARAMETERS: readonly (() => string)[] = [
    () => `charset=${pick(VALUES)}`,
    () => `X-A=${pick(VALUES)}`,
    () => `filename=${pick(VALUES)}`,
    () => `one*=utf-8''%41${pick(ATOMS.slice(0, 2))}%C3%BC`,
    () => `two*0=${pick(VALUES)};${pick(SPACE)}two*1=${pick(VALUES)}`,
    () => "three*0*=utf-8'en'%41;three*1=b; three*2*=%20c",
  ]
  const parameters = () =>
    PARAMETERS.filter(() => below(3) === 0)
      .map((make) => `;${pick(SPACE)}${make()}`)
      .join('')

  return Array.from({ length: count }, (_, i) => {
    const lists = ['From', 'To', 'Cc', ...(below(3) > 0 ? [] : ['Reply-To'])].map((name) => `${name}: ${addresses()}\r\n`)
    const type = `Content-Type: ${pick(['text/plain', 'Application/X-y', 'image/png'])}${parameters()}\r\n`
    const disposition = `Content-Disposition: ${pick(['attachment', 'INLINE'])}${parameters()}\r\n`
    return { name: `made up fields: ${seed}.${i}`, bytes: Buffer.from(`${lists.join('')}${type}${disposition}\r\nx`) }
  })
}
