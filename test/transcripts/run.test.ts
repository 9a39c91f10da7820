/** Every dialogue under this folder, played. UPDATE=1 writes down what the server says instead of failing: read the difference before you commit it. */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ImapHouse, imapHouse } from '../support/imap.ts'
import { play } from './play.ts'

const folder = fileURLToPath(new URL('imap/', import.meta.url))
/** ONLY=IDLE plays what has that in its path. */
const files = globSync(`${folder}**/*.txt`)
  .filter((file) => file.includes(process.env['ONLY'] ?? ''))
  .sort()
const userOf = (i: number): string => `user${i}`

describe('imap dialogues', { concurrency: 4 }, () => {
  let house: ImapHouse
  before(async () => {
    house = await imapHouse(files.map((_, i) => userOf(i)))
  })
  after(() => house.close())

  files.forEach((file, i) => {
    test(relative(folder, file).split(sep).join('/'), async () => {
      const script = readFileSync(file, 'utf8')
      const { updated, failure } = await play(script, house, userOf(i))
      if (process.env['UPDATE'] && updated !== script) writeFileSync(file, updated)
      else if (failure) throw failure
    })
  })
})
