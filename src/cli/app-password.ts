/** `postern mailbox app-password …`: a password for one program, made up here and shown once. */
import { generateAppPassword, hashAppPassword } from '../auth/app-password.ts'
import { formatVerifier, makeVerifier } from '../auth/scram.ts'
import { addAppPassword, editConfig, removeAppPassword } from '../config/edit.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { SCOPES } from '../config/names.ts'
import { Refused } from '../serve/refused.ts'
import { words } from '../serve/words.ts'
import { type Arguments, type Surroundings, Usage } from './args.ts'
import { DONE } from './failure.ts'
import { addressIn, configFile, editable, indexOf, saltingIn } from './mailbox-file.ts'

type Verb = (args: Arguments, around: Surroundings) => Promise<number>

/** Throws Usage, Refused. */
export function appPassword(args: Arguments, around: Surroundings): Promise<number> {
  const verb = VERBS.get(args.words[2] ?? '')
  if (!verb) throw new Usage(`mailbox app-password is followed by one of ${[...VERBS.keys()].join(', ')}`)
  if (args.passwordStdin || args.name !== undefined) throw new Usage('mailbox app-password takes neither --password-stdin nor --name')
  if (args.scope !== undefined && verb !== add) throw new Usage('--scope is for mailbox app-password add')
  return verb(args, around)
}

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['add', add],
  ['list', list],
  ['remove', remove],
])

async function add(args: Arguments, around: Surroundings): Promise<number> {
  const { address, name } = named(args)
  const scopes = args.scope === undefined ? [...SCOPES] : scopesIn(args.scope)
  const file = editable(args, around)
  const password = generateAppPassword()
  const verifier = await makeVerifier(password, saltingIn(file, address))
  const made = { name, hash: hashAppPassword(password), ...(verifier && { scram: formatVerifier(verifier) }), scopes }
  await editConfig(file, words, (loaded) => {
    const index = indexOf(loaded, address)
    if (passwordsOf(loaded, index).some((one) => one.name === name)) throw new Refused(`${address} has an app password named ${name} already`)
    addAppPassword(loaded.source, index, made)
  })
  around.out(`${address} has the app password ${name} for ${scopes.join(', ')}, shown this once: ${password}`)
  return DONE
}

async function list(args: Arguments, around: Surroundings): Promise<number> {
  const [, , , text, ...more] = args.words
  if (text === undefined || more.length > 0) throw new Usage('mailbox app-password list takes one address')
  const loaded = loadConfig(configFile(args, around), words)
  for (const { name, scopes } of passwordsOf(loaded, indexOf(loaded, addressIn(text)))) around.out(`${name}\t${scopes.join(',')}`)
  return DONE
}

async function remove(args: Arguments, around: Surroundings): Promise<number> {
  const { address, name } = named(args)
  await editConfig(editable(args, around), words, (loaded) => {
    const index = indexOf(loaded, address)
    const at = passwordsOf(loaded, index).findIndex((one) => one.name === name)
    if (at < 0) throw new Refused(`${address} has no app password named ${name}`)
    removeAppPassword(loaded.source, index, at)
  })
  around.out(`${address} has the app password ${name} no more.`)
  return DONE
}

const passwordsOf = ({ config }: Loaded, mailbox: number) => config.mailboxes[mailbox]?.app_passwords ?? []

function named({ words: given }: Arguments): { readonly address: string; readonly name: string } {
  const [, , verb, text, name, ...more] = given
  if (text === undefined || name === undefined || more.length > 0) throw new Usage(`mailbox app-password ${verb} takes an address and a name`)
  return { address: addressIn(text), name }
}

function scopesIn(list: string): string[] {
  const scopes = new Set(list.split(',').map((scope) => scope.trim()))
  for (const scope of scopes)
    if (!SCOPES.some((known) => known === scope)) throw new Usage(`each of --scope is one of ${SCOPES.join(', ')}, not "${scope}"`)
  return SCOPES.filter((scope) => scopes.has(scope))
}
