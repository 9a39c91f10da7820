/** `postern version`. */
import { readFileSync } from 'node:fs'
import { type Command, Usage } from './args.ts'
import { DONE } from './failure.ts'

export function versionNumber(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}

export const versionText = (): string => `postern ${versionNumber()} (node ${process.versions.node})`

export const version: Command = {
  name: 'version',
  usage: ['version'],
  summary: 'say which version this is',
  takes: [],
  run: async ({ words }, { out }) => {
    if (words[0] === 'version' && words.length > 1) throw new Usage('version takes no words')
    out(versionText())
    return DONE
  },
}
