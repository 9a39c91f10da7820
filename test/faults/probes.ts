/** Single questions to a host, and what it says. */
import { address, type Host, PASSWORD } from './load/load.ts'
import { Wire } from './wire.ts'

let probes = 0

/** One message by 25, unlike any other; the last word of the server: of the first command that was refused, or of the final dot. */
export async function sendOne(host: Host, user: string): Promise<string> {
  const mark = `probe ${process.pid} ${probes++}`
  const wire = await Wire.open(host.where('mx'))
  try {
    const text = `From: probe@outside.test\r\nSubject: ${mark}\r\n\r\nwords\r\n.`
    return await converse(wire, ['EHLO probe.test', 'MAIL FROM:<probe@outside.test>', `RCPT TO:<${address(user)}>`, 'DATA', text])
  } finally {
    wire.close()
  }
}

/** A remote message by 465, with a token for the relay to know it by; the server's last word. */
export async function submitOne(host: Host, user: string): Promise<{ said: string; token: string }> {
  const token = `probe-${process.pid}-${probes++}`
  const wire = await Wire.open(host.where('submissions'))
  try {
    const login = `AUTH PLAIN ${Buffer.from(`\0${address(user)}\0${PASSWORD}`).toString('base64')}`
    const text = `From: ${address(user)}\r\nX-Token: ${token}\r\n\r\nwords\r\n.`
    return {
      said: await converse(wire, ['EHLO probe.test', login, `MAIL FROM:<${address(user)}>`, 'RCPT TO:<far@elsewhere.test>', 'DATA', text]),
      token,
    }
  } finally {
    wire.close()
  }
}

/** USER and PASS; what the latter is answered. */
export async function checkPop3(host: Host, user: string): Promise<string> {
  const pop = await openPop3(host, user)
  pop.close()
  return pop.welcome
}

export interface Pop3Session {
  /** The answer to PASS. */
  readonly welcome: string
  /** `ms`: how long an answer may take. */
  say(line: string, ms?: number): Promise<string>
  close(): void
}

export async function openPop3(host: Host, user: string): Promise<Pop3Session> {
  const wire = await Wire.open(host.where('pop3s'))
  const say = async (line: string, ms?: number): Promise<string> => {
    wire.send(`${line}\r\n`)
    return await wire.line(ms)
  }
  try {
    await wire.line()
    await say(`USER ${address(user)}`)
    return { welcome: await say(`PASS ${PASSWORD}`), say, close: () => wire.close() }
  } catch (err) {
    wire.close()
    throw err
  }
}

/** Up to the first answer that is no yes. */
async function converse(wire: Wire, lines: readonly string[]): Promise<string> {
  let said = await reply(wire)
  for (const line of lines) {
    wire.send(`${line}\r\n`)
    said = await reply(wire)
    if (!/^[23]/.test(said)) break
  }
  return said
}

async function reply(wire: Wire): Promise<string> {
  for (;;) {
    const line = await wire.line()
    if (line[3] !== '-') return line
  }
}
