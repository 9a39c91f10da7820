/** A process of its own that holds many IMAP sessions in IDLE, so that their memory is not the server's; started by `crowds.ts`. */
import { connect, type TLSSocket } from 'node:tls'

export interface CrowdTask {
  readonly port: number
  readonly ca: string
  /** Session i of all is of user i modulo their number. */
  readonly users: readonly { readonly address: string; readonly password: string }[]
  /** This process has the sessions from `first` on. */
  readonly first: number
  readonly sessions: number
  /** Session i comes from 127.0.0.x: one address has too few ports. */
  readonly addresses: readonly string[]
  /** Logins at a time. */
  readonly atOnce: number
}

/** A line that an idle session was told. */
export interface Heard {
  /** Which of all sessions. */
  readonly session: number
  readonly kind: 'EXISTS' | 'FETCH'
  /** The number of messages, or the UID whose flags changed. */
  readonly n: number
  /** `clock` of its arrival. */
  readonly at: number
}

export type Order = { readonly open: CrowdTask } | { readonly collect: true }
export type Answer = { readonly opened: number } | { readonly heard: readonly Heard[] } | { readonly failed: string }

/** Milliseconds of one clock for all processes of the machine. */
export const clock = (): number => Number(process.hrtime.bigint()) / 1e6

/** The number of `EXISTS`, or the UID of a `FETCH`. */
const HEARD = /^\* (?:(\d+) EXISTS$|\d+ FETCH \(.*\bUID (\d+))/

/** Where passwords cannot be checked fast enough. */
const AGAIN_MS = 500

let heard: Heard[] = []
const sockets: TLSSocket[] = []

async function open(task: CrowdTask): Promise<void> {
  let next = task.first
  const one = async (): Promise<void> => {
    while (next < task.first + task.sessions) await idle(task, next++)
  }
  await Promise.all(Array.from({ length: task.atOnce }, one))
}

/** Logs in, selects INBOX, resolves when the server waits for DONE. */
async function idle({ port, ca, users, addresses }: CrowdTask, session: number): Promise<void> {
  const { address, password } = users[session % users.length]!
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const options: object = { host: '127.0.0.1', port, ca, servername: 'localhost', localAddress: addresses[session % addresses.length] }
  const socket = connect(options)
  sockets.push(socket)
  const steps = [`a LOGIN ${address} ${password}`, 'a SELECT INBOX', 'a IDLE']
  let command = ''
  let rest = ''
  socket.on('data', (chunk) => {
    const at = clock()
    const lines = (rest + chunk.toString('latin1')).split('\r\n')
    rest = lines.pop()!
    for (const line of lines) {
      const [, exists, uid] = HEARD.exec(line) ?? []
      if (uid !== undefined) heard.push({ session, kind: 'FETCH', n: Number(uid), at })
      else if (exists !== undefined && steps.length === 0) heard.push({ session, kind: 'EXISTS', n: Number(exists), at })
      else if (line === '+ idling') resolve()
      else if (line.startsWith('a OK') || line.startsWith('* OK [CAPABILITY')) socket.write((command = `${steps.shift()!}\r\n`))
      else if (line.startsWith('a NO [UNAVAILABLE]')) setTimeout(() => socket.write(command), AGAIN_MS)
      else if (line.startsWith('a ')) reject(new Error(line))
    }
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the server closed the connection')))
  await promise
}

const say = (answer: Answer): void => void process.send?.(answer)

process.on('message', (order: Order) => {
  if ('collect' in order) {
    say({ heard })
    heard = []
    return
  }
  open(order.open).then(
    () => say({ opened: order.open.sessions }),
    (err: unknown) => say({ failed: String(err) }),
  )
})
