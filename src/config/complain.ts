/** Turns what is wrong with a file into words: file, line and column, the key, what would be right. */
import { type Document, isMap, isNode, isScalar, type LineCounter, type Node, type YAMLMap } from 'yaml'
import type { z } from 'zod'

/** One or more complaints about a config file, each `FILE:LINE:COLUMN: …` on a line of its own. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused'
}

export interface Source {
  readonly file: string
  readonly doc: Document
  readonly lines: LineCounter
}

type Path = readonly PropertyKey[]

/** `line:column` of an offset, from 1. */
export const place = ({ file, lines }: Pick<Source, 'file' | 'lines'>, offset: number): string => {
  const { line, col } = lines.linePos(offset)
  return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
}

/** A complaint of our own about the value at `path`. */
export function complain(source: Source, path: Path, message: string): ConfigRefused {
  return new ConfigRefused(`${place(source, offsetOf(source.doc, path))}: ${message}`)
}

/** `schema`: keys that exist, by path, for "did you mean". */
export function complainAll(source: Source, issues: readonly z.core.$ZodIssue[], keysAt: (path: Path) => readonly string[]): ConfigRefused {
  const all = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [`${place(source, offsetOf(source.doc, issue.path))}: ${sentence(source, issue)}`]
    return issue.keys.map(
      (key) => `${place(source, keyOffset(source.doc, issue.path, key))}: ${unknownKey([...issue.path, key], key, keysAt(issue.path))}`,
    )
  })
  return new ConfigRefused([...new Set(all)].join('\n'))
}

function sentence({ doc }: Source, issue: z.core.$ZodIssue): string {
  const key = dotted(issue.path) || 'the file'
  const node = nodeAt(doc, issue.path)
  if (node === undefined) return `${key} is missing: it must be ${issue.message}`
  const value = isScalar(node) ? JSON.stringify(node.value)?.slice(0, 60) : isMap(node) ? 'a map' : 'a list'
  // What looks like a password is never shown, however wrong.
  const hidden = /password|scram|secret/.test(key) || (value !== undefined && /:\/\/[^/]*@/.test(value))
  return `${key} must be ${issue.message}${hidden ? '' : `, not ${value}`}`
}

function unknownKey(path: Path, key: string, known: readonly string[]): string {
  const near = known.filter((k) => distance(k, key) <= Math.max(2, key.length / 3)).sort((a, b) => distance(a, key) - distance(b, key))[0]
  return `${dotted(path)} is no setting; ${near ? `did you mean ${near}?` : `there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`}`
}

export const dotted = (path: Path): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part + 1}]` : `${i ? '.' : ''}${String(part)}`)).join('')

const nodeAt = (doc: Document, path: Path): Node | undefined => {
  const node = path.length === 0 ? doc.contents : doc.getIn(path, true)
  return isNode(node) ? node : undefined
}

/** Where the value stands; of one that is missing, where what should hold it stands. */
function offsetOf(doc: Document, path: Path): number {
  for (let n = path.length; n >= 0; n--) {
    const node = nodeAt(doc, path.slice(0, n))
    if (node?.range) return node.range[0]
  }
  return 0
}

function keyOffset(doc: Document, path: Path, key: string): number {
  const map = nodeAt(doc, path)
  const pair = isMap(map) ? (map as YAMLMap<Node, Node>).items.find((item) => isScalar(item.key) && item.key.value === key) : undefined
  return pair?.key.range?.[0] ?? offsetOf(doc, path)
}

/** Levenshtein's. Both are short: one is a known key, the other is cut. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: a.length + 1 }, (_, i) => i)
  for (const [j, letter] of [...b.slice(0, 40)].entries()) {
    const next = [j + 1]
    for (let i = 1; i <= a.length; i++) next.push(Math.min(row[i]! + 1, next[i - 1]! + 1, row[i - 1]! + (a[i - 1] === letter ? 0 : 1)))
    row = next
  }
  return row[a.length]!
}
