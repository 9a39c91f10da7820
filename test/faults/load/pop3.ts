/** A POP3 program: logs in, reads, marks what is its own, and says QUIT. What it marked is gone when that is answered +OK, and not before. */
import { bodyOf, sha256, tokenOf } from '../../support/ledger.ts'
import { Unexpected } from '../imap-client.ts'
import { Lost, Wire } from '../wire.ts'
import { address, type Load, ownerOf, PASSWORD, pause, pick, reconnecting } from './load.ts'

/** Messages of one session. */
const READ = 30

export function popReader(load: Load, user: string): Promise<void> {
  return reconnecting(load, `pop3 of ${user}`, async (well) => {
    while (!load.stop.aborted) {
      await load.gate.run(async () => void (load.stop.aborted || (await session(load, user, well))))
      await pause(load, 300 + load.random(700))
    }
  })
}

async function session(load: Load, user: string, well: () => void): Promise<void> {
  const wire = await Wire.open(pick(load.random, load.hosts).where('pop3s'))
  try {
    const said = async (line: string): Promise<string> => {
      wire.send(`${line}\r\n`)
      return await wire.line()
    }
    await wire.line()
    await said(`USER ${address(user)}`)
    const welcome = await said(`PASS ${PASSWORD}`)
    if (!welcome.startsWith('+OK')) {
      // Another session of ours died with its lease, or the database is away.
      if (!/\[(IN-USE|SYS\/TEMP)\]/.test(welcome)) throw new Unexpected(welcome)
      throw new Lost(welcome)
    }
    well()
    const count = Number(/^\+OK (\d+)/.exec(await said('STAT'))?.[1] ?? 0)
    const marked: string[] = []
    for (let n = 1; n <= Math.min(count, READ); n++) {
      const token = await read(load, { wire, user, n, said })
      if (token !== undefined && ownerOf(token) === 'pop3' && (await said(`DELE ${n}`)).startsWith('+OK')) marked.push(token)
    }
    await quit(load, { user, marked, said })
  } finally {
    wire.close()
  }
}

interface Reading {
  readonly wire: Wire
  readonly user: string
  readonly n: number
  readonly said: (line: string) => Promise<string>
}

/** RETR; what came is what was sent, and for this user. */
async function read({ ledger }: Load, { wire, user, n, said }: Reading): Promise<string | undefined> {
  if (!(await said(`RETR ${n}`)).startsWith('+OK')) return undefined
  const lines: string[] = []
  for (let line = await wire.line(); line !== '.'; line = await wire.line()) lines.push(line.startsWith('.') ? line.slice(1) : line)
  const octets = `${lines.join('\r\n')}\r\n`
  const token = tokenOf(octets)
  const message = token === undefined ? undefined : ledger.messages.get(token)
  ledger.tally.check('I10', message?.to.includes(user) === true, () => `POP3 of ${user} was shown ${token}`)
  ledger.tally.check('I1', message !== undefined && sha256(bodyOf(octets)) === message.bodySha, () => `POP3 of ${user} read other octets of ${token}`)
  return token
}

interface Leaving {
  readonly user: string
  readonly marked: readonly string[]
  readonly said: (line: string) => Promise<string>
}

async function quit({ ledger }: Load, { user, marked, said }: Leaving): Promise<void> {
  const intents = marked.map((token) => ledger.intend(user, token, -1))
  const answer = await said('QUIT')
  for (const intent of intents) {
    if (answer.startsWith('+OK')) intent.done()
    // "Nothing was changed" is a promise too; any other SYS/TEMP is none.
    else if (!answer.includes('SYS/TEMP') || answer.includes('nothing was ')) intent.refused()
  }
}
