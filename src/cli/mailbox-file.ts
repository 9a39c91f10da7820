/** What the verbs of `postern mailbox` have in common: the file, the address, the mailbox of that address. */
import { newSalting, parseVerifier, type ScramSalting } from '../auth/scram.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { findPlaces } from '../config/places.ts'
import { canonical } from '../mail/address.ts'
import { refuseOlderConfig } from '../serve/generation.ts'
import { Refused } from '../serve/refused.ts'
import { words } from '../serve/words.ts'
import { type Arguments, type Surroundings, Usage } from './args.ts'

/** The file that may be edited. */
export function editable({ flags }: Arguments, { env, cwd }: Surroundings): string {
  const places = findPlaces(flags, env, cwd)
  refuseOlderConfig(places.dataDir)
  return places.configFile
}

export const configFile = ({ flags }: Arguments, { env, cwd }: Surroundings): string => findPlaces(flags, env, cwd).configFile

export function addressOf({ words: given }: Arguments): string {
  const [, verb, text, ...more] = given
  if (text === undefined || more.length > 0) throw new Usage(`mailbox ${verb} takes one address`)
  return addressIn(text)
}

/** Throws Refused. */
export function addressIn(text: string): string {
  const address = canonical(text)
  if (address === undefined) throw new Refused(`"${text}" is no address such as ann@example.org`)
  return address
}

export function indexOf({ config }: Loaded, address: string): number {
  const index = config.mailboxes.findIndex((m) => m.address === address)
  if (index < 0) throw new Refused(`there is no mailbox ${address}`)
  return index
}

/** How the mailbox's passwords are salted for SCRAM: all of them alike, so a new one follows those that are there. */
export function saltingIn(file: string, address: string): ScramSalting {
  const mailbox = loadConfig(file, words).config.mailboxes.find((m) => m.address === address)
  const there = [mailbox?.scram, ...(mailbox?.app_passwords ?? []).map(({ scram }) => scram)].find((scram) => scram !== undefined)
  return (there === undefined ? undefined : parseVerifier(there)) ?? newSalting()
}
