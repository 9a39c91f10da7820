/** Why the server does not start, or a command does not do what was asked: one sentence for people, no stack. */
import { readFileSync } from 'node:fs'
import { faultOf } from '../file-faults.ts'

export class Refused extends Error {
  override readonly name = 'Refused'
}

/** A PEM file that the config names as `key`. Throws Refused. */
export function readAuthorities(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Refused(`${key} names ${file}, which cannot be read: ${faultOf(cause)}.`)
  }
}
