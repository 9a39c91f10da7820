/** Mail servers of the test's own, which do what they are told, and a DNS that says where they are. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, TLSSocket } from 'node:tls'
import { type Answer, type Dns, DnsTrouble, NoSuchName, type RecordData, type RecordType } from '../../../src/net/dns/dns.ts'
import { makeSelfSigned } from '../../../src/net/self-signed.ts'

export interface Took {
  readonly from: string
  readonly to: readonly string[]
  /** As it came, dots undone. */
  readonly text: string
  readonly secure: boolean
}

/**
 * What is said to a command; undefined: what a good server says. Instead of an answer: 'close' ends the connection, 'reset' cuts it, 'hang' says nothing from there on, 'endless' goes on for
 * ever, 'rubbish' writes past TLS. 'slowly …' says it octet by octet, '… close' ends the connection behind it.
 */
export type Script = (line: string, peer: At) => string | undefined

interface At {
  readonly secure: boolean
  readonly connection: number
  readonly address: string
  /** Recipients that were accepted. */
  readonly to: readonly string[]
}

export interface Peer {
  readonly port: number
  readonly took: Took[]
  readonly lines: string[]
  readonly connections: number
  script: Script
  /** Milliseconds before it does what a line asks. */
  delay: (() => number) | undefined
  /** Of connections that ended without QUIT: what was done last. */
  readonly ends: string[]
  /** EHLO keywords. */
  extensions: string[]
  /** Certificates of its TLS. */
  pem: { readonly cert: string; readonly key: string }
  close(): Promise<void>
}

interface PeerOptions {
  readonly host?: string
  readonly port?: number
  readonly tls?: boolean
  readonly names?: string
  readonly pem?: Peer['pem']
}

export async function startPeer({ host = '127.0.0.1', port = 0, tls = true, names = 'localhost', ...own }: PeerOptions = {}): Promise<Peer> {
  const pem = own.pem ?? makeSelfSigned({ hostname: names, now: Date.now() })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    peer.connections++
    converse(socket, peer, peer.connections)
  })
  const peer = {
    took: [] as Took[],
    lines: [] as string[],
    connections: 0,
    script: (() => undefined) as Script,
    delay: undefined as Peer['delay'],
    ends: [] as string[],
    extensions: ['PIPELINING', 'SIZE 1000000', '8BITMIME', 'ENHANCEDSTATUSCODES', 'SMTPUTF8', 'DSN', ...(tls ? ['STARTTLS'] : [])],
    pem,
    port: 0,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
  await new Promise<void>((done) => server.listen(port, host, done))
  peer.port = (server.address() as AddressInfo).port
  return peer
}

function converse(raw: Socket, peer: Peer, connection: number): void {
  const address = raw.localAddress ?? ''
  let socket: Socket = raw
  let secure = false
  let mute = false
  let buffer = ''
  let data: string[] | undefined
  let from = ''
  let to: string[] = []
  let last = 'CONNECT'
  let turn = Promise.resolve()
  const at = (): At => ({ secure, connection, address, to })
  raw.once('close', () => {
    if (last !== 'QUIT') peer.ends.push(last)
  })
  const write = (answer: string): void => {
    if (mute) return
    if (answer === 'hang') mute = true
    else if (answer === 'close') socket.destroy()
    else if (answer === 'reset') raw.resetAndDestroy()
    else if (answer === 'rubbish') raw.write('rubbish, and no record of TLS')
    else if (answer === 'endless') {
      mute = true
      const timer = setInterval(() => socket.write('250-and on\r\n'), 20)
      socket.once('close', () => clearInterval(timer))
    } else if (answer.startsWith('slowly ')) void dribble(socket, `${answer.slice(7)}\r\n`)
    else if (answer.endsWith(' close')) {
      mute = true
      socket.end(`${answer.slice(0, -6)}\r\n`)
    } else socket.write(`${answer}\r\n`)
  }
  const greet = (): void => write(peer.script('CONNECT', at()) ?? '220 peer.test ready')
  const good = (line: string): string => {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO')
      return ['peer.test', ...peer.extensions.filter((x) => !(secure && x === 'STARTTLS'))]
        .map((x, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${x}`)
        .join('\r\n')
    if (verb === 'MAIL') return '250 2.1.0 fine'
    if (verb === 'RCPT') return '250 2.1.5 fine'
    if (verb === 'DATA') return to.length > 0 ? '354 go on' : '503 5.5.1 nobody'
    if (verb === 'QUIT') return '221 2.0.0 bye close'
    if (verb === 'AUTH') return '235 2.7.0 welcome'
    return '250 2.0.0 fine'
  }
  const onLine = (line: string): void => {
    if (data) {
      if (line !== '.') return void data.push(line.startsWith('.') ? line.slice(1) : line)
      const text = data.join('\r\n')
      data = undefined
      const answer = peer.script('.', at())
      // Whatever it says about it, it has it, unless it refuses.
      if (answer === undefined || !/^[45]/.test(answer)) peer.took.push({ from, to, text: `${text}\r\n`, secure })
      to = []
      last = 'REST'
      write(answer ?? '250 2.0.0 taken')
      return
    }
    peer.lines.push(line)
    last = line.slice(0, 8).split(' ')[0]!.toUpperCase()
    if (line === 'STARTTLS' && peer.extensions.includes('STARTTLS')) {
      const answer = peer.script(line, at()) ?? '220 go'
      write(answer)
      if (!answer.startsWith('220')) return
      raw.removeAllListeners('data')
      const tlsSocket = new TLSSocket(raw, { isServer: true, secureContext: createSecureContext(peer.pem) })
      tlsSocket.on('error', () => raw.destroy())
      socket = tlsSocket
      secure = true
      buffer = ''
      listen()
      return
    }
    const answer = peer.script(line, at()) ?? good(line)
    if (/^MAIL/i.test(line) && answer.startsWith('2')) {
      from = /<(.*?)>/.exec(line)![1]!
      to = []
    }
    if (/^RCPT/i.test(line) && answer.startsWith('2')) to.push(/<(.*?)>/.exec(line)![1]!)
    if (/^DATA/i.test(line) && answer.startsWith('3')) data = []
    write(answer)
  }
  const later = async (line: string): Promise<void> => {
    if (data && line === '.') last = '.'
    if (data === undefined || line === '.') await sleep(peer.delay?.() ?? 0)
    if (!socket.destroyed) onLine(line)
  }
  const listen = (): void => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      buffer += chunk.toString('utf8')
      for (let at = buffer.indexOf('\r\n'); at >= 0; at = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, at)
        buffer = buffer.slice(at + 2)
        if (peer.delay) turn = turn.then(() => later(line))
        else onLine(line)
      }
    })
  }
  listen()
  greet()
}

async function dribble(socket: Socket, text: string): Promise<void> {
  for (const octet of text) {
    socket.write(octet)
    await sleep(1)
  }
}

export type Zone = { readonly [T in RecordType]?: readonly RecordData[T][] } & {
  /** No answer, to any question or to those for these types. */
  readonly trouble?: boolean | readonly RecordType[]
  readonly secure?: boolean
}

/** Names to what they have. A name that is not there is not there; what an alias leads to is proven where both are. */
export function fakeDns(zones: Record<string, Zone>): Dns & { readonly zones: Record<string, Zone>; asked: string[] } {
  const asked: string[] = []
  const find = <T extends RecordType>(name: string, type: T, secure: boolean): Answer<T> => {
    const zone = zones[name]
    if (!zone) throw new NoSuchName(`there is no ${name}`)
    if (zone.trouble === true || (zone.trouble || []).includes(type)) throw new DnsTrouble(`no answer for ${name}`)
    const proven = secure && zone.secure === true
    const [alias] = zone.CNAME ?? []
    if (alias !== undefined && type !== 'CNAME') return find(alias, type, proven)
    return { records: (zone[type] ?? []) as readonly RecordData[T][], secure: proven, name }
  }
  return {
    zones,
    asked,
    validates: true,
    async ask<T extends RecordType>(name: string, type: T): Promise<Answer<T>> {
      asked.push(`${type} ${name}`)
      return find(name, type, true)
    },
  }
}
