/** `postern help`: made of what the commands say about themselves. */
import { type Command, Usage } from './args.ts'
import { DONE } from './failure.ts'

const FLAGS = `Flags, before or after the command:
  --data DIR          everything is kept in DIR, its config is DIR/postern.yaml (POSTERN_DATA)
  --config FILE       the config file (POSTERN_CONFIG)
  --ports CHOICE      auto: free ports of the loopback; standard; high: 2525 2587 2465 2993 2995 2110 (POSTERN_PORTS)
  --log-level LEVEL   debug, info, warn, error (POSTERN_LOG_LEVEL)
  --workers N         so many processes serve; auto: one for each core where Redis is configured (POSTERN_WORKERS)
  --roles LIST        what this host does, of mx,submission,imap,pop3,queue,http (POSTERN_ROLES)
Without them the config is config/postern.yaml and the data is in data, both in the current folder.
Exit codes: 0 done, 1 refused, 2 wrong usage.`

export function helpText(commands: readonly Command[]): string {
  const lines = commands.flatMap(({ usage, summary }) => [...usage.map((line) => `  postern ${line}`), `      ${summary}`])
  return ['Postern, a mail server.', '', ...lines, '', FLAGS].join('\n')
}

export const helpFor = (all: () => Promise<readonly Command[]>): Command => ({
  name: 'help',
  usage: ['help'],
  summary: 'say this',
  takes: [],
  run: async ({ words }, { out }) => {
    if (words.length > 1) throw new Usage('help takes no words')
    out(helpText(await all()))
    return DONE
  },
})
