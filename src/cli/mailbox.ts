/** `postern mailbox …`: edits the list of mailboxes in the config file. A running server notices; a stopped one will. */
import { createInterface } from 'node:readline'
import { hashPassword, MAX_PASSWORD_OCTETS } from '../auth/password.ts'
import { formatVerifier, makeVerifier, newSalting, type ScramSalting } from '../auth/scram.ts'
import { addMailbox, editConfig, removeMailbox, setPassword } from '../config/edit.ts'
import { loadConfig } from '../config/load.ts'
import { domainOf } from '../mail/address.ts'
import { generatePassword } from '../serve/passwords.ts'
import { Refused } from '../serve/refused.ts'
import { words } from '../serve/words.ts'
import { appPassword } from './app-password.ts'
import { type Arguments, type Command, type Surroundings, Usage } from './args.ts'
import { DONE } from './failure.ts'
import { addressOf, configFile, editable, indexOf, saltingIn } from './mailbox-file.ts'

export const mailbox: Command = {
  name: 'mailbox',
  usage: [
    'mailbox add ADDRESS [--name NAME] [--password-stdin [--weak]]',
    'mailbox list',
    'mailbox passwd ADDRESS [--password-stdin [--weak]]',
    'mailbox remove ADDRESS',
    'mailbox app-password add ADDRESS NAME [--scope imap,pop3,smtp]',
    'mailbox app-password list ADDRESS',
    'mailbox app-password remove ADDRESS NAME',
    'mailbox import-uidl ADDRESS MAILDIR [MAILBOX] [--format FORMAT] [--dry-run]',
  ],
  summary:
    'add, list, change or shut mailboxes; a password is read from one line of standard input, or made up and shown; --weak: also one that is easily guessed',
  takes: ['passwordStdin', 'weak', 'name', 'scope', 'format', 'dryRun'],
  run: async (args, around) => {
    const verb = VERBS.get(args.words[1] ?? '')
    if (args.scope !== undefined && verb !== appPassword) throw new Usage('--scope is for mailbox app-password add')
    if ((args.format !== undefined || args.dryRun) && args.words[1] !== 'import-uidl')
      throw new Usage('--format and --dry-run are for mailbox import-uidl')
    if (args.weak && !args.passwordStdin) throw new Usage('--weak is for --password-stdin')
    if (!verb) throw new Usage(`mailbox is followed by one of ${[...VERBS.keys()].join(', ')}`)
    return verb(args, around)
  },
}

/** Of a password that somebody chose. */
const FEWEST_CHARACTERS = 8

type Verb = (args: Arguments, around: Surroundings) => Promise<number>

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['add', add],
  ['list', list],
  ['passwd', passwd],
  ['remove', remove],
  ['app-password', appPassword],
  // Only then: the other verbs need no database.
  ['import-uidl', async (args, around) => (await import('./uidl/import-uidl.ts')).importUidl(args, around)],
])

async function add(args: Arguments, around: Surroundings): Promise<number> {
  const address = addressOf(args)
  const { password, generated } = await passwordFor(address, args, around)
  const { hash: password_hash, scram } = await hashed(password, newSalting())
  await editConfig(editable(args, around), words, ({ config, source }) => {
    if (config.mailboxes.some((m) => m.address === address)) throw new Refused(`there is already a mailbox ${address}`)
    if (!config.domains.includes(domainOf(address)))
      throw new Refused(`the domain of ${address} is not served here; local domains: ${config.domains.join(', ')} ("domains" in ${source.file})`)
    const owner = config.mailboxes.find((m) => m.aliases.includes(address))
    if (owner) throw new Refused(`${address} is an alias of ${owner.address}`)
    if (config.lists?.some((each) => each.address === address)) throw new Refused(`${address} is a list`)
    addMailbox(source, { address, ...(args.name !== undefined && { name: args.name }), password_hash, ...(scram !== undefined && { scram }) })
  })
  around.out(generated ? `${address} is there. Its password, shown this once: ${password}` : `${address} is there.`)
  return DONE
}

async function passwd(args: Arguments, around: Surroundings): Promise<number> {
  const address = addressOf(args)
  const { password, generated } = await passwordFor(address, args, around)
  const file = editable(args, around)
  const made = await hashed(password, saltingIn(file, address))
  await editConfig(file, words, (loaded) => setPassword(loaded.source, indexOf(loaded, address), made))
  around.out(generated ? `${address} has a new password, shown this once: ${password}` : `${address} has a new password.`)
  return DONE
}

async function remove(args: Arguments, around: Surroundings): Promise<number> {
  const address = addressOf(args)
  noFlags(args, 'mailbox remove')
  await editConfig(editable(args, around), words, (loaded) => removeMailbox(loaded.source, indexOf(loaded, address)))
  around.out(`${address} is shut. Its mail is kept: add the mailbox again to have it back.`)
  return DONE
}

async function list(args: Arguments, around: Surroundings): Promise<number> {
  if (args.words.length > 2) throw new Usage('mailbox list takes no address')
  noFlags(args, 'mailbox list')
  for (const { address, name, aliases } of loadConfig(configFile(args, around), words).config.mailboxes)
    around.out([address, name ?? '', aliases.join(' ')].join('\t').trimEnd())
  return DONE
}

function noFlags({ passwordStdin, name }: Arguments, verb: string): void {
  if (passwordStdin || name !== undefined) throw new Usage(`${verb} takes neither --password-stdin nor --name`)
}

async function passwordFor(
  address: string,
  { passwordStdin, weak }: Arguments,
  { stdin }: Surroundings,
): Promise<{ password: string; generated: boolean }> {
  if (!passwordStdin) return { password: generatePassword(), generated: true }
  for await (const line of createInterface({ input: stdin })) {
    // What the decoder makes of octets that are no UTF-8: no program could ever send that.
    if (line.includes('\ufffd')) throw new Refused('the password is no UTF-8')
    if (!weak) refuseHopeless(line, address)
    return { password: line, generated: false }
  }
  throw new Refused('there is no password on standard input')
}

/** What is guessed first: what is short (NIST SP 800-63B: 8 characters, in code points), and the address. */
function refuseHopeless(password: string, address: string): void {
  const local = address.slice(0, address.lastIndexOf('@'))
  if ([address, local].includes(password.toLowerCase()))
    throw new Refused('the password is the address: everybody tries that first. Take another one, or say --weak')
  if (password !== '' && [...password].length < FEWEST_CHARACTERS)
    throw new Refused(`the password has fewer than ${FEWEST_CHARACTERS} characters: it is soon guessed. Take a longer one, or say --weak`)
}

async function hashed(password: string, salting: ScramSalting): Promise<{ hash: string; scram: string | undefined }> {
  if (password === '') throw new Refused('the password is empty')
  const hash = await hashPassword(password).catch((cause: unknown) => {
    throw cause instanceof RangeError ? new Refused(`the password has more than ${MAX_PASSWORD_OCTETS} octets, or is no text`) : cause
  })
  const verifier = await makeVerifier(password, salting)
  return { hash, scram: verifier && formatVerifier(verifier) }
}
