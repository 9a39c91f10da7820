/** The first config file, made of the example: the settings that a first start chooses are filled in, everything else stands there as a comment. */
import { readFileSync } from 'node:fs'

const EXAMPLE = new URL('../../config/postern.example.yaml', import.meta.url)

export interface FirstConfig {
  readonly hostname: string
  readonly domain: string
  readonly address: string
  readonly passwordHash: string
  readonly scram: string | undefined
}

/** YAML text for a new file. */
export function firstConfig(chosen: FirstConfig, example = readFileSync(EXAMPLE, 'utf8')): string {
  const { hostname, domain, address, passwordHash, scram } = chosen
  const filled = new Map([
    ['hostname', [`hostname: ${hostname}`]],
    ['domains', [`domains: [${domain}]`]],
    [
      'mailboxes',
      ['mailboxes:', `  - address: ${JSON.stringify(address)}`, `    password_hash: ${passwordHash}`, ...(scram ? [`    scram: ${scram}`] : [])],
    ],
  ])
  const lines: string[] = []
  let section = ''
  for (const line of example.trimEnd().split('\n')) {
    const key = /^([a-z_]+):/.exec(line)?.[1]
    if (key !== undefined) {
      section = key
      lines.push(...(filled.get(key) ?? [`# ${line}`]))
    } else if (line === '' || line.startsWith('#')) {
      section = ''
      lines.push(line)
    } else if (section !== '') lines.push(`# ${line}`)
    else lines.push(line)
  }
  return `${lines.join('\n')}\n`
}
