/** A command's arguments as its `parse` gets them, for tests of grammar. */
import { parseArguments } from '../../src/imap/wire/parse.ts'
import { ArgumentReader } from '../../src/imap/wire/read.ts'
import { Scanner } from '../../src/imap/wire/scan.ts'

/** `line` may hold `{}` where one of `literals` goes, in order. One octet per character. */
export async function argumentsOf(line: string, literals: readonly (string | Buffer)[] = []): Promise<ArgumentReader> {
  const scanner = new Scanner(50)
  const pieces = line.split('{}')
  for (const [i, piece] of pieces.entries()) {
    const literal = literals[i]
    if (i === pieces.length - 1 || literal === undefined) {
      scanner.line(piece)
      continue
    }
    const octets = typeof literal === 'string' ? Buffer.from(literal, 'latin1') : literal
    scanner.line(`${piece}{${octets.length}}`)
    scanner.literal(octets)
  }
  return new ArgumentReader(await parseArguments(scanner.end()))
}
