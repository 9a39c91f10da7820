/** `postern version`. */
import { readFileSync } from 'node:fs'
import type { Command } from './args.ts'
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
  run: async (_args, { out }) => {
    out(versionText())
    return DONE
  },
}
