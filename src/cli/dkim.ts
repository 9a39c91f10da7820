/** `postern dkim …`: keys that sign the mail of our domains. A key is used from the moment that its record can be looked up. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { loadConfig } from '../config/load.ts'
import { findPlaces } from '../config/places.ts'
import { silentLog } from '../log.ts'
import { canonicalDomain } from '../mail/address.ts'
import { dkimRecord, dkimRecordName, quotedStrings } from '../mail/dkim-record.ts'
import { dnsOf } from '../serve/outbound.ts'
import { Refused } from '../serve/refused.ts'
import { words } from '../serve/words.ts'
import { isPublished } from '../smtp/published.ts'
import type { SigningKey, SigningKeys } from '../store/dkim.ts'
import { createSigningKeys } from '../store/pg/dkim.ts'
import { Pool } from '../store/pg/pool.ts'
import { type Arguments, type Command, type Surroundings, Usage } from './args.ts'
import { withDatabase } from './backup/database.ts'
import { DONE } from './failure.ts'

/** What every receiver takes; a key of 4096 bits does not fit into a string of a TXT record twice over. */
const RSA_BITS = 2048

export const dkim: Command = {
  name: 'dkim',
  usage: ['dkim add DOMAIN', 'dkim list [DOMAIN]', 'dkim remove DOMAIN SELECTOR'],
  summary: 'make the keys that sign mail, see which of them are in use, remove old ones',
  takes: [],
  async run(args, around) {
    const verb = VERBS.get(args.words[1] ?? '')
    if (!verb) throw new Usage(`dkim is followed by one of ${[...VERBS.keys()].join(', ')}`)
    const places = findPlaces(args.flags, around.env, around.cwd)
    const { config } = loadConfig(places.configFile, words)
    return withDatabase({ places, env: around.env }, async (connect) => {
      const pool = new Pool({ connect, max: 1, log: silentLog() })
      try {
        await verb({ args, around, config, keys: createSigningKeys(pool) })
        return DONE
      } finally {
        await pool.close()
      }
    })
  },
}

interface Doing {
  readonly args: Arguments
  readonly around: Surroundings
  readonly config: ReturnType<typeof loadConfig>['config']
  readonly keys: SigningKeys
}

const VERBS: ReadonlyMap<string, (doing: Doing) => Promise<void>> = new Map([
  ['add', add],
  ['list', list],
  ['remove', remove],
])

function domainIn({ config }: Doing, text: string | undefined): string {
  const domain = text === undefined ? undefined : canonicalDomain(text)
  if (domain === undefined) throw new Usage('dkim takes a domain')
  if (!config.domains.includes(domain)) throw new Refused(`${domain} is not served here; local domains: ${config.domains.join(', ')}`)
  return domain
}

/** One of each kind: Ed25519 is small and quick, and not every receiver knows it. */
async function add(doing: Doing): Promise<void> {
  const { args, around, keys } = doing
  if (args.words.length > 3) throw new Usage('dkim add takes a domain')
  const domain = domainIn(doing, args.words[2])
  const taken = new Set((await keys.list(domain)).map(({ selector }) => selector))
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '')
  let suffix = day
  for (let n = 2; taken.has(`r${suffix}`) || taken.has(`e${suffix}`); n++) suffix = `${day}-${n}`
  const made = [
    { selector: `r${suffix}`, algorithm: 'rsa', pair: generateKeyPairSync('rsa', { modulusLength: RSA_BITS }) },
    { selector: `e${suffix}`, algorithm: 'ed25519', pair: generateKeyPairSync('ed25519') },
  ] as const
  for (const { selector, algorithm, pair } of made) await keys.add({ domain, selector, algorithm, privateKey: pem(pair.privateKey) })
  around.out(
    `Two keys for ${domain} are there. Put these records into its zone; mail is signed with them within minutes of that, and until then as before:\n`,
  )
  for (const { selector, pair } of made) around.out(zoneLine(domain, selector, pair.publicKey))
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

export const zoneLine = (domain: string, selector: string, key: KeyObject | string): string =>
  `${dkimRecordName(domain, selector)}. 3600 IN TXT ${quotedStrings(dkimRecord(key))}`

async function list(doing: Doing): Promise<void> {
  const { args, around, keys, config } = doing
  if (args.words.length > 3) throw new Usage('dkim list takes a domain, or nothing')
  const all = await keys.list(args.words[2] === undefined ? undefined : domainIn(doing, args.words[2]))
  if (all.length === 0) around.err('No keys: "postern dkim add DOMAIN" makes them.')
  const dns = dnsOf(config)
  const used = new Set<string>()
  for (const key of all) {
    const published = await isPublished(key, dns).catch(() => undefined)
    const kind = `${key.domain} ${key.algorithm}`
    around.out(
      [key.domain, key.selector, key.algorithm, new Date(key.created).toISOString().slice(0, 10), stateOf(key, published, used.has(kind))].join('\t'),
    )
    if (published) used.add(kind)
  }
}

function stateOf(_key: SigningKey, published: boolean | undefined, newer: boolean): string {
  if (published === undefined) return 'the DNS cannot be asked'
  if (!published) return 'not in the DNS, not used'
  return newer ? 'in the DNS, a newer one is used' : 'in use'
}

async function remove(doing: Doing): Promise<void> {
  const { args, around, keys } = doing
  const [, , , selector, ...more] = args.words
  if (selector === undefined || more.length > 0) throw new Usage('dkim remove takes a domain and a selector')
  const domain = domainIn(doing, args.words[2])
  if (!(await keys.remove(domain, selector))) throw new Refused(`${domain} has no key ${selector}`)
  around.out(`The key ${selector} is gone. Leave its record in the DNS for a week: mail that it signed may still be on its way.`)
}
