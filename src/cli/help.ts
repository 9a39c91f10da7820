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
  return ['Postern, a mail server.', '', ...commands.flatMap(linesOf), '', FLAGS].join('\n')
}

const linesOf = ({ usage, summary }: Command): string[] => [...usage.map((line) => `  postern ${line}`), `      ${summary}`]

export const helpFor = (all: () => Promise<readonly Command[]>): Command => ({
  name: 'help',
  usage: ['help [COMMAND]', 'COMMAND --help'],
  summary: 'say this, or what one command takes',
  takes: [],
  run: async ({ words }, { out }) => {
    const [about] = words[0] === 'help' ? words.slice(1) : words
    const commands = await all()
    const one = commands.find(({ name }) => name === about)
    if (about !== undefined && !one) throw new Usage(`there is no command "${about}": it is one of ${commands.map(({ name }) => name).join(', ')}`)
    out(one ? linesOf(one).join('\n') : helpText(commands))
    return DONE
  },
})
