import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { keptOutput, MadeMailbox } from '../../../test/support/messages.ts'
import { seeded } from '../../../test/support/random.ts'
import { toRanges } from '../../store/uidset.ts'
import { COMMANDS } from '../commands/index.ts'
import { EXTENSIONS } from '../extensions/index.ts'
import { createRegistry } from '../registry.ts'
import { No } from '../reply.ts'
import { ResponseWriter } from '../wire/write.ts'
import { Work } from '../work.ts'
import { saved, writeFound } from './answer.ts'
import { OPEN_GATE } from './context.ts'
import { readSearch } from './parse.ts'
import { readSort } from './parse-sort.ts'
import { runSearch } from './run.ts'
import { sorted } from './sort.ts'

const { tables } = createRegistry(COMMANDS, EXTENSIONS)
const random = seeded(23)
const pick = <T>(from: readonly T[]): T => from[random(from.length)]!

const WORDS = ['apple', 'Pear', 'plum', 'fig']
const FLAGS = ['\\Seen', '\\Flagged', '\\Answered']
const rows = Array.from({ length: 120 }, (_, i) => {
  const [subject, from, to, body] = [pick(WORDS), pick(WORDS), pick(WORDS), pick(WORDS)]
  const sent = random(5) * 3_600_000
  const isDated = random(8) > 0
  const raw = [
    `Subject: ${pick(['', 'Re: ', '[list] ', 'Fwd: re: '])}${subject}${pick(['', ' (fwd)'])}`,
    `From: ${from}@example.test`,
    `To: "${to}" <x@example.test>`,
    ...(isDated ? [`Date: ${new Date(sent).toUTCString().replace('GMT', '+0000')}`] : []),
    '',
    `${body}${'.'.repeat(random(4))}`,
    '',
  ].join('\r\n')
  const date = random(5) * 3_600_000
  const flags = FLAGS.filter(() => random(2) === 0)
  return { uid: 1 + i * 3 + random(2), raw: Buffer.from(raw), flags, date, subject, from, to, body, sent: isDated ? sent : date }
})
type Row = (typeof rows)[number]
const box = new MadeMailbox(rows)

/** A key as text, and what it means. */
function key(depth: number): [text: string, matches: (row: Row, msn: number) => boolean] {
  switch (random(depth > 0 ? 8 : 5)) {
    case 0: {
      const flag = pick(FLAGS)
      return [flag.slice(1), (row) => row.flags.includes(flag)]
    }
    case 1: {
      const word = pick(WORDS)
      return [`SUBJECT ${word}`, (row) => row.subject === word]
    }
    case 2: {
      const word = pick(WORDS)
      return [`BODY ${word}`, (row) => row.body === word]
    }
    case 3: {
      const [a, b] = [1 + random(120), 1 + random(120)]
      return [`${a}:${b}`, (_, msn) => msn >= Math.min(a, b) && msn <= Math.max(a, b)]
    }
    case 4:
      return ['ALL', () => true]
    case 5: {
      const [text, matches] = key(depth - 1)
      return [`NOT ${text}`, (row, msn) => !matches(row, msn)]
    }
    case 6: {
      const [a, b] = [key(depth - 1), key(depth - 1)]
      return [`OR ${a[0]} ${b[0]}`, (row, msn) => a[1](row, msn) || b[1](row, msn)]
    }
    default: {
      const [a, b] = [key(depth - 1), key(depth - 1)]
      return [`(${a[0]} ${b[0]})`, (row, msn) => a[1](row, msn) && b[1](row, msn)]
    }
  }
}

interface Hit {
  readonly row: Row
  readonly msn: number
}

const DATA = ['MIN', 'MAX', 'COUNT', 'ALL', 'PARTIAL', 'SAVE']
/** A RETURN, and what comes of it for results in their order. */
function returns(): {
  text: string
  answer: (tag: string, by: 'msn' | 'uid', hits: readonly Hit[]) => string
  saves: ((hits: readonly Hit[]) => readonly Hit[]) | undefined
} {
  let names = DATA.filter(() => random(3) === 0)
  if (names.includes('PARTIAL')) names = names.filter((name) => name !== 'ALL')
  const [a, b, fromEnd] = [1 + random(40), 1 + random(40), random(2) === 0]
  const [low, high] = [Math.min(a, b), Math.max(a, b)]
  const range = fromEnd ? `-${a}:-${b}` : `${a}:${b}`
  const has = (name: string): boolean => names.includes(name)
  const page = (hits: readonly Hit[]): readonly Hit[] =>
    hits.filter((_, i) => (fromEnd ? hits.length - i >= low && hits.length - i <= high : i + 1 >= low && i + 1 <= high))
  return {
    text: `RETURN (${names.map((name) => (name === 'PARTIAL' ? `PARTIAL ${fromEnd ? `-${a}:-${b}` : `${a}:${b}`}` : name)).join(' ')})`,
    answer(tag, by, hits) {
      if (names.join() === 'SAVE') return ''
      const n = ({ row, msn }: Hit): number => (by === 'uid' ? row.uid : msn)
      const items = [`* ESEARCH (TAG "${tag}")`]
      if (by === 'uid') items.push('UID')
      if (has('MIN') && hits.length > 0) items.push(`MIN ${n(hits[0]!)}`)
      if (has('MAX') && hits.length > 0) items.push(`MAX ${n(hits.at(-1)!)}`)
      if (has('COUNT')) items.push(`COUNT ${hits.length}`)
      if (has('PARTIAL')) items.push(`PARTIAL (${range} ${setText(page(hits).map(n)) || 'NIL'})`)
      if ((has('ALL') || names.length === 0) && hits.length > 0) items.push(`ALL ${setText(hits.map(n))}`)
      return `${items.join(' ')}\r\n`
    },
    saves: has('SAVE')
      ? (hits) => {
          if (has('ALL') || has('COUNT') || names.join() === 'SAVE') return hits
          const ends = [...(has('MIN') ? hits.slice(0, 1) : []), ...(has('MAX') ? hits.slice(-1) : [])]
          return [...new Set([...ends, ...(has('PARTIAL') ? page(hits) : [])])]
        }
      : undefined,
  }
}

/** In the order given; a number and the next higher one behind it make a range. */
function setText(numbers: readonly number[]): string {
  const parts: number[][] = []
  for (const n of numbers) {
    if (parts.at(-1)?.at(-1) === n - 1) parts.at(-1)!.push(n)
    else parts.push([n])
  }
  return parts.map((part) => (part.length === 1 ? `${part[0]}` : `${part[0]}:${part.at(-1)}`)).join(',')
}

const CRITERIA: Record<string, (row: Row) => string | number> = {
  ARRIVAL: (row) => row.date,
  DATE: (row) => row.sent,
  FROM: (row) => row.from.toUpperCase(),
  SIZE: (row) => row.raw.length,
  SUBJECT: (row) => row.subject.toUpperCase(),
  DISPLAYTO: (row) => row.to.toUpperCase(),
  CC: () => '',
}

function inOrder(hits: readonly Hit[], criteria: readonly string[]): Hit[] {
  return hits.toSorted((a, b) => {
    for (const criterion of criteria) {
      const of = CRITERIA[criterion.replace('REVERSE ', '')]!
      const [x, y] = [of(a.row), of(b.row)]
      if (x !== y) return x < y === criterion.startsWith('REVERSE') ? 1 : -1
    }
    return a.msn - b.msn
  })
}

async function ask(line: string, sort: boolean, by: 'msn' | 'uid'): Promise<{ text: string; saved: readonly number[] | undefined }> {
  const r = await argumentsOf(line)
  const args = sort ? readSort(r, tables) : readSearch(r, tables)
  assert.ok(!(args.criteria instanceof No))
  const kept = keptOutput()
  const context = {
    store: box.store,
    selected: box.selected,
    gate: OPEN_GATE,
    work: new Work({ output: kept.output, ending: new AbortController().signal }),
  }
  const found = await runSearch(context, args.criteria.key)
  const ordered = 'order' in args ? await sorted(context, found, args.order as never) : found
  await writeFound(new ResponseWriter(kept.output), box.selected, { tag: 't', by, options: args.options, modseq: false }, ordered)
  return { text: await kept.text(), saved: args.options?.save && saved(ordered, args.options) }
}

describe('agrees with an oracle', () => {
  for (const command of ['SEARCH', 'SORT'] as const)
    test(command, async () => {
      for (let round = 0; round < 300; round++) {
        const [text, matches] = key(3)
        const asked = returns()
        const by = pick(['msn', 'uid'] as const)
        const criteria = Array.from({ length: 1 + random(3) }, () => `${random(3) === 0 ? 'REVERSE ' : ''}${pick(Object.keys(CRITERIA))}`)
        const found = rows.flatMap((row, i) => (matches(row, i + 1) ? [{ row, msn: i + 1 }] : []))
        const hits = command === 'SORT' ? inOrder(found, criteria) : found
        const line = command === 'SORT' ? `${asked.text} (${criteria.join(' ')}) UTF-8 ${text}` : `${asked.text} ${text}`
        const answer = await ask(line, command === 'SORT', by)
        assert.equal(answer.text, asked.answer('t', by, hits), line)
        const saves = asked.saves?.(hits).map(({ row }) => row.uid)
        assert.deepEqual(answer.saved && toRanges(answer.saved), saves && toRanges(saves.sort((a, b) => a - b)), line)
      }
    })
})

test('a mod-sequence is told of the messages that are named, where there are any', async () => {
  const small = new MadeMailbox([{ uid: 1 }, { uid: 2 }, { uid: 3 }])
  small.flag(2, 8)
  const told = async (options: object | undefined, msns: readonly number[]): Promise<string> => {
    const kept = keptOutput()
    await writeFound(new ResponseWriter(kept.output), small.selected, { tag: 't', by: 'msn', options, modseq: true }, { msns, uids: msns })
    return (await kept.text()).trim()
  }
  assert.equal(await told(undefined, [1, 2]), '* SEARCH 1 2 (MODSEQ 6)')
  assert.equal(await told(undefined, []), '* SEARCH')
  assert.equal(await told({ all: true }, [1, 2]), '* ESEARCH (TAG "t") MODSEQ 6 ALL 1:2')
  assert.equal(await told({ min: true }, [1, 2]), '* ESEARCH (TAG "t") MIN 1 MODSEQ 2')
  assert.equal(await told({ min: true, max: true }, [1, 2]), '* ESEARCH (TAG "t") MIN 1 MAX 2 MODSEQ 6')
  assert.equal(await told({ min: true, count: true }, [1, 2]), '* ESEARCH (TAG "t") MIN 1 COUNT 2 MODSEQ 6')
  assert.equal(await told({ count: true }, []), '* ESEARCH (TAG "t") COUNT 0')
})
