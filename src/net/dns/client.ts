/** Asking the configured resolvers: by UDP, by TCP where an answer does not fit, one server after the other; what was answered is kept for its time. */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { getServers } from 'node:dns'
import { connect, isIPv6 } from 'node:net'
import { type Answer, type Dns, DnsTrouble, NoSuchName, type RecordType } from './dns.ts'
import { type Decoded, decodeAnswer, encodeQuestion, plain, type Question } from './message.ts'
import { PLACES, Places } from './places.ts'

export interface DnsOptions {
  /** Addresses, with a port where it is not 53: `192.0.2.1`, `127.0.0.1:5353`, `[::1]:53`. The system's if absent. */
  readonly servers?: readonly string[] | undefined
  /** The resolvers validate DNSSEC, and the way to them cannot be tampered with. */
  readonly validates?: boolean
  /** Milliseconds for one question to one server. */
  readonly timeout?: number
  /** Rounds over all servers. */
  readonly tries?: number
}

const TIMEOUT = 3_000
const TRIES = 2
/** Answers that are kept, whatever their own time, for at most … seconds. */
const MAX_KEPT = 10_000
/** What they may come to in memory, about. */
const MAX_KEPT_OCTETS = 32 * 1024 * 1024
const MAX_TTL = 3_600
/** That there is nothing. RFC 2308 would have us ask the SOA; a minute saves as many questions as it may. */
const NEGATIVE_TTL = 60
const MAX_NAME = 253
/** Questions under way at once of who asks apart. */
const PLACES_APART = PLACES.total / 2
const MAX_TCP = 65_535

interface Kept {
  readonly until: number
  readonly outcome: Answer<RecordType> | NoSuchName
  readonly octets: number
}

/** Of an entry without its records, and of a record without its text. */
const OCTETS_OF_ENTRY = 500
const OCTETS_OF_RECORD = 100

const octetsOf = (outcome: Kept['outcome']): number =>
  outcome instanceof NoSuchName
    ? OCTETS_OF_ENTRY
    : outcome.records.reduce<number>((sum, record) => sum + OCTETS_OF_RECORD + JSON.stringify(record).length, OCTETS_OF_ENTRY)

export interface SharedDns extends Dns {
  /** Gives the same answers, and waits for nothing that others ask: for who asks as often as strangers want. */
  apart(): Dns
}

export function createDns({ servers, validates = false, timeout = TIMEOUT, tries = TRIES }: DnsOptions = {}): SharedDns {
  const kept = new Map<string, Kept>()
  let octetsKept = 0

  const forget = (key: string): void => {
    octetsKept -= kept.get(key)?.octets ?? 0
    kept.delete(key)
  }
  const keep = (key: string, outcome: Kept['outcome'], ttl: number): void => {
    forget(key)
    const octets = octetsOf(outcome)
    while (kept.size > 0 && (kept.size >= MAX_KEPT || octetsKept + octets > MAX_KEPT_OCTETS)) forget(kept.keys().next().value!)
    kept.set(key, { until: performance.now() + Math.min(ttl, MAX_TTL) * 1000, outcome, octets })
    octetsKept += octets
  }

  async function resolve(name: string, type: RecordType, { key, places }: { key: string; places: Places }): Promise<Answer<RecordType>> {
    const leave = await places.enter(name)
    try {
      const { answer, ttl } = await askAll({ id: 0, name, type })
      keep(key, answer, answer.records.length === 0 ? NEGATIVE_TTL : ttl)
      return answer
    } catch (err) {
      if (err instanceof NoSuchName) keep(key, err, NEGATIVE_TTL)
      throw err
    } finally {
      leave()
    }
  }

  /** The first answer of all servers, in rounds. One that has trouble is no last word: another may do better. */
  async function askAll(question: Question): Promise<Decoded<RecordType>> {
    const all = (servers ?? getServers()).map(placeOf)
    let trouble: unknown = new DnsTrouble('no DNS server is configured')
    for (let round = 0; round < tries; round++)
      for (const server of all)
        try {
          return await askOne({ ...question, id: randomInt(65_536) }, { server, timeout, validates })
        } catch (err) {
          if (err instanceof NoSuchName) throw err
          trouble = err
        }
    throw trouble instanceof DnsTrouble ? trouble : new DnsTrouble(`the DNS gave no answer for ${question.name}`, { cause: trouble })
  }

  const asker = (places: Places): Dns => {
    const underWay = new Map<string, Promise<Answer<RecordType>>>()
    return {
      validates,
      async ask<T extends RecordType>(asked: string, type: T): Promise<Answer<T>> {
        const name = plain(asked)
        if (!isAskable(name)) throw new NoSuchName('that is no name of the DNS')
        const key = `${type} ${name}`
        const known = kept.get(key)
        if (known && known.until > performance.now()) {
          if (known.outcome instanceof NoSuchName) throw known.outcome
          return known.outcome as Answer<T>
        }
        let under = underWay.get(key)
        if (!under) {
          under = resolve(name, type, { key, places }).finally(() => underWay.delete(key))
          underWay.set(key, under)
        }
        return (await under) as Answer<T>
      },
    }
  }
  return { ...asker(new Places()), apart: () => asker(new Places({ total: PLACES_APART })) }
}

const isAskable = (name: string): boolean =>
  name.length > 0 &&
  name.length <= MAX_NAME &&
  name.split('.').every((label) => label.length > 0 && label.length <= 63 && /^[\x21-\x7e]+$/.test(label))

interface Place {
  readonly host: string
  readonly port: number
}

function placeOf(server: string): Place {
  const [, bracketed, port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(server) ?? []
  if (bracketed) return { host: bracketed, port: Number(port ?? 53) }
  if (isIPv6(server)) return { host: server, port: 53 }
  const [host = '', own] = server.split(':')
  return { host, port: Number(own ?? 53) }
}

interface Asking {
  readonly server: Place
  readonly timeout: number
  readonly validates: boolean
}

async function askOne(question: Question, asking: Asking): Promise<Decoded<RecordType>> {
  const answer = await byUdp(question, asking)
  return answer === 'truncated' ? byTcp(question, asking) : answer
}

/** A socket of its own for each question: its port is chance too, beside the id (RFC 5452 §9.2), and what comes from elsewhere does not arrive. */
function byUdp(question: Question, { server, timeout, validates }: Asking): Promise<Decoded<RecordType> | 'truncated'> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.close()
      settle()
    }
    const fail = (why: unknown): void => finish(() => reject(why))
    const timer = setTimeout(() => fail(new DnsTrouble(`no answer from ${server.host} for ${question.name}`)), timeout)
    socket.once('error', fail)
    socket.on('message', (packet) => {
      try {
        const answer = decodeAnswer(packet, question, validates)
        if (answer !== 'other') finish(() => resolve(answer))
      } catch (err) {
        fail(err)
      }
    })
    // It is called as well when there is no way there at all; that the question was refused comes as an error of the socket.
    socket.connect(server.port, server.host, ((err?: Error) => (err ? fail(err) : socket.send(encodeQuestion(question)))) as () => void)
  })
}

function byTcp(question: Question, { server, timeout, validates }: Asking): Promise<Decoded<RecordType>> {
  return new Promise((resolve, reject) => {
    const socket = connect(server)
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      socket.destroy()
      settle()
    }
    const fail = (why: unknown): void => finish(() => reject(why))
    const timer = setTimeout(() => fail(new DnsTrouble(`no answer from ${server.host} for ${question.name}`)), timeout)
    const chunks: Buffer[] = []
    let length = 0
    socket.on('error', fail)
    socket.on('close', () => fail(new DnsTrouble(`${server.host} closed the connection`)))
    socket.on('connect', () => {
      const packet = encodeQuestion(question)
      const size = Buffer.alloc(2)
      size.writeUInt16BE(packet.length)
      socket.write(Buffer.concat([size, packet]))
    })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length < 2 || length > MAX_TCP + 2) return
      const all = Buffer.concat(chunks)
      const size = all.readUInt16BE(0)
      if (all.length < size + 2) return
      try {
        const answer = decodeAnswer(all.subarray(2, size + 2), question, validates)
        if (answer === 'other' || answer === 'truncated') fail(new DnsTrouble(`${server.host} makes no sense`))
        else finish(() => resolve(answer))
      } catch (err) {
        fail(err)
      }
    })
  })
}
