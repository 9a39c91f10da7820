/** The near side of a synchronisation: a Maildir, read and changed as another program on that machine would. */
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Contents, letters, mail } from './site.ts'

interface Entry {
  readonly file: string
  readonly token: string
  readonly flags: string
}

let made = 0

export class Maildir {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  #entries(): Entry[] {
    return globSync(join(this.#path, '{cur,new}', '*')).map((file) => ({
      file,
      token: /^X-Token: (\S+)/im.exec(readFileSync(file, 'latin1'))?.[1] ?? basename(file),
      flags: letters([...(/:2,([A-Z]*)$/.exec(file)?.[1] ?? '').replace('T', '')]),
    }))
  }

  contents(): Contents {
    const entries = this.#entries()
    const found: Contents = new Map(entries.map(({ token, flags }) => [token, flags]))
    if (found.size !== entries.length) throw new Error(`${entries.length - found.size} messages are there twice`)
    return found
  }

  #of(tokens: readonly string[]): Entry[] {
    const wanted = new Set(tokens)
    return this.#entries().filter(({ token }) => wanted.has(token))
  }

  /** Sets exactly these flags. */
  mark(tokens: readonly string[], flags: string): void {
    for (const { file } of this.#of(tokens))
      renameSync(file, join(this.#path, 'cur', `${basename(file).replace(/:2,.*/, '')}:2,${letters([...flags])}`))
  }

  remove(tokens: readonly string[]): void {
    for (const { file } of this.#of(tokens)) rmSync(file)
  }

  add(tokens: readonly string[]): void {
    for (const token of tokens)
      writeFileSync(join(this.#path, 'new', `${1_770_000_000 + made}.${++made}_1.near`), mail(token).replaceAll('\r\n', '\n'))
  }
}
