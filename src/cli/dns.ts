/** `postern dns`: every record that the domains need, to be copied into their zones. Asks nobody but the database. */
import { loadConfig } from '../config/load.ts'
import { findPlaces, type Places } from '../config/places.ts'
import { silentLog } from '../log.ts'
import { canonicalDomain } from '../mail/address.ts'
import { portsOf } from '../serve/served.ts'
import { words } from '../serve/words.ts'
import { createSigningKeys } from '../store/pg/dkim.ts'
import { isUnknownTable, Pool } from '../store/pg/pool.ts'
import { type Command, Usage } from './args.ts'
import { withDatabase } from './backup/database.ts'
import { DONE } from './failure.ts'
import { domainEntries, type Entry, hostEntries } from './zone/records.ts'
import { domainsFor, ownAddresses, type Setting, shownCertificate, zoneOf } from './zone/setting.ts'

export const dns: Command = {
  name: 'dns',
  usage: ['dns [DOMAIN]'],
  summary: 'print the DNS records that your domains need, as lines of a zone file',
  takes: [],
  async run(args, around) {
    const places = findPlaces(args.flags, around.env, around.cwd)
    const { config } = loadConfig(places.configFile, words)
    const domains = domainsFor(config, domainAsked('dns', args.words))
    const keys = await withDatabase({ places, env: around.env }, async (connect) => {
      const pool = new Pool({ connect, max: 1, log: silentLog() })
      try {
        return await createSigningKeys(pool).list()
      } catch (err) {
        // No server was ever started with it: there are no keys.
        if (isUnknownTable(err)) return []
        throw err
      } finally {
        await pool.close()
      }
    })
    const certificate = shownCertificate(config, places.configFile, places.dataDir)
    around.out(zoneText(domains, settingOf({ config, places, keys, certificate })))
    return DONE
  },
}

/** The one word after the command. Throws Usage. */
export function domainAsked(command: string, [, word, ...more]: readonly string[]): string | undefined {
  if (more.length > 0) throw new Usage(`${command} takes a domain, or nothing`)
  const domain = word === undefined ? undefined : canonicalDomain(word)
  if (word !== undefined && domain === undefined) throw new Usage(`${word} is no domain`)
  return domain
}

export const settingOf = ({ places, ...known }: Pick<Setting, 'config' | 'keys' | 'certificate'> & { readonly places: Places }): Setting => ({
  ...known,
  ports: portsOf(known.config, places.dataDir),
  addresses: ownAddresses(),
})

/** All of it can be loaded by a DNS server that has these zones; what belongs elsewhere, or is not known, is a comment. */
export function zoneText(domains: readonly string[], setting: Setting): string {
  const { hostname } = setting.config
  const home = zoneOf(hostname, domains)
  const parts = domains.map((domain) => [
    `; == ${domain} ==`,
    ...domainEntries(domain, setting).flatMap(linesOf),
    ...(domain === home ? hostEntries(setting).flatMap(linesOf) : []),
  ])
  if (home === undefined)
    parts.push([
      `; == ${hostname}: in another zone than ${domains.length === 1 ? 'this' : 'these'}; put there, without the ";" ==`,
      ...hostEntries(setting).map(asComment).flatMap(linesOf),
    ])
  return parts.map((lines) => lines.join('\n')).join('\n\n')
}

const asComment = ({ words: said, records, perhaps = [] }: Entry): Entry => ({ words: said, records: [], perhaps: [...records, ...perhaps] })

const linesOf = ({ words: said, records, perhaps = [] }: Entry): string[] => [`; ${said}`, ...records, ...perhaps.map((record) => `; ${record}`)]
