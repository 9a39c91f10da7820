/** Programs that fetch mail by POP3: how each is told what to do, where it puts mail, and what it is known to make of a message. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Ran, run, succeed } from '../../support/programs.ts'
import type { Account } from './site.ts'

export interface Order {
  /** What its user chose: mail stays on the server. */
  readonly leave: boolean
  /** The SASL mechanism, where the program is to use that one and no other. With a token's the password is a token. */
  readonly mechanism?: string
}

export interface Program {
  readonly name: string
  /** Of the PATH, for `skip`. */
  readonly needs: readonly string[]
  /** How it ends when all is well. */
  readonly goodCodes: readonly number[]
  /** One run. `dir`: its home, of which it remembers what it has. */
  fetch(dir: string, account: Account, order: Order): Promise<Ran>
  /** Everything that it stored so far, in no order. */
  mail(dir: string): Buffer[]
  /** Messages of the server as the program stores them; without those that it refuses to take, and leaves there. */
  stored(messages: readonly Buffer[]): Promise<Buffer[]>
}

/** Messages in no order, for comparison: what each is called, how long it is, and what it hashes to. */
export const digests = (messages: readonly Buffer[]): string[] =>
  messages
    .map(
      (message) =>
        `${/^Subject: (.*?)\r?$/m.exec(message.toString('latin1'))?.[1]} ${message.length} ${createHash('sha256').update(message).digest('hex')}`,
    )
    .sort()

const latin1 = (octets: Buffer, change: (text: string) => string): Buffer => Buffer.from(change(octets.toString('latin1')), 'latin1')
/** Lines as Unix has them; a last one without its end gets one, as RETR sends it. */
export const unixLines = (message: Buffer): Buffer => latin1(message, (text) => `${text.replaceAll('\r\n', '\n').replace(/(?<=[^\n])$/, '\n')}`)
/** As RETR sends it: every line with CRLF. */
export const networkLines = (message: Buffer): Buffer =>
  latin1(message, (text) => text.replaceAll(/(?<!\r)\n/g, '\r\n').replace(/(?<=[^\n])$/, '\r\n'))

const filesOf = (folder: string): Buffer[] => (existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name))) : [])
function maildir(dir: string): string {
  const folder = join(dir, 'Maildir')
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(folder, part), { recursive: true })
  return folder
}
function written(file: string, lines: readonly string[], mode = 0o600): string {
  writeFileSync(file, `${lines.join('\n')}\n`)
  chmodSync(file, mode)
  return file
}
const unchanged = (lines: (message: Buffer) => Buffer) => async (messages: readonly Buffer[]) => messages.map(lines)

/** A program that puts what it is given into a file of DIR/mail. */
function mda(dir: string, ...then: string[]): string {
  mkdirSync(join(dir, 'mail'), { recursive: true })
  return written(join(dir, 'deliver'), ['#!/bin/sh', `cat > "$(mktemp ${dir}/mail/XXXXXXXX)"`, ...then], 0o700)
}

const fetchmail: Program = {
  name: 'fetchmail',
  needs: ['fetchmail'],
  // 1: there was nothing new.
  goodCodes: [0, 1],
  async fetch(dir, { user, password, port, ca }, { leave }) {
    const rc = written(join(dir, 'fetchmailrc'), [
      `set invisible`,
      `poll localhost protocol pop3 port ${port} uidl user "${user}" password "${password}"`,
      `no rewrite ssl sslcertck sslcertfile "${ca}" ${leave ? 'keep' : 'nokeep'} mda "${mda(dir)}"`,
    ])
    return run('fetchmail', ['--fetchmailrc', rc, '--idfile', join(dir, 'ids'), '--pidfile', join(dir, 'pid'), '--nodetach', '--nosyslog', '-v'])
  },
  mail: (dir) => filesOf(join(dir, 'mail')),
  async stored(messages) {
    return messages.filter((message) => !hasBadHeader(message)).map((message) => latin1(unixLines(message), fetchmailLines))
  },
}

/** A header line that is neither a field, nor the rest of one, nor the "From " of an mbox: "incorrect header line found", and the message is left alone. */
const hasBadHeader = (message: Buffer): boolean =>
  headerLines(unixLines(message).toString('latin1')).some((line) => !/^(?:[ \t]|[!-9;-~]+[ \t]*:|From )/.test(line))
/** It takes away every CR and the "From " of an mbox, cuts long lines, and ends a header that has no end. */
function fetchmailLines(text: string): string {
  const lines = text.replaceAll('\r', '').replaceAll(/[^\n]{8191}(?=[^\n])/g, '$&\0\0\n')
  const header = headerLines(lines)
  const body = lines.split('\n').slice(header.length)
  return [...header.filter((line) => !line.startsWith('From ')), ...(body[0] === '' && body.length === 1 ? ['', ''] : body)].join('\n')
}
const headerLines = (text: string): string[] => (text.startsWith('\n') ? [] : text.split('\n\n')[0]!.split('\n').filter(Boolean))

const mpop: Program = {
  name: 'mpop',
  needs: ['mpop'],
  goodCodes: [0],
  fetch(dir, { user, password, port, ca }, { leave, mechanism = 'on' }) {
    const rc = written(join(dir, 'mpoprc'), [
      ...['account a', 'host localhost', `port ${port}`, `user ${user}`, `password ${password}`, `auth ${mechanism}`],
      ...['tls on', 'tls_starttls off', `tls_trust_file ${ca}`, `uidls_file ${dir}/uidls`, 'received_header off'],
      ...[`keep ${leave ? 'on' : 'off'}`, `delivery maildir ${maildir(dir)}`],
    ])
    return run('mpop', ['-C', rc, '--debug', 'a'])
  },
  mail: (dir) => filesOf(join(dir, 'Maildir/new')),
  stored: unchanged(unixLines),
}

const getmail: Program = {
  name: 'getmail',
  needs: ['getmail'],
  goodCodes: [0],
  fetch(dir, { user, password, port, ca }, { leave }) {
    const rc = written(join(dir, 'getmailrc'), [
      ...['[retriever]', 'type = SimplePOP3SSLRetriever', 'server = localhost', `port = ${port}`, `username = ${user}`, `password = ${password}`],
      // It refuses to write files itself for root; and waits for a minute where its child has ended before it looks.
      ...[
        `ca_certs = ${ca}`,
        '[destination]',
        'type = MDA_external',
        `path = ${mda(dir, 'sleep 0.1')}`,
        'unixfrom = false',
        'allow_root_commands = true',
      ],
      ...['[options]', 'delivered_to = false', 'received = false', 'verbose = 2', 'read_all = false', `delete = ${!leave}`],
    ])
    return run('getmail', ['--getmaildir', dir, '--rcfile', rc])
  },
  mail: (dir) => filesOf(join(dir, 'mail')),
  /** It reads a message with Python's email package and writes it anew, by functions of its own that are asked here. */
  async stored(messages) {
    const input = JSON.stringify(messages.map((message) => unixLines(message).toString('latin1')))
    const { out } = await succeed('/usr/bin/python3', ['-c', AS_GETMAIL_WRITES], { input })
    return (JSON.parse(out) as string[]).map((text) => Buffer.from(text, 'latin1'))
  },
}

const AS_GETMAIL_WRITES = `
import json, sys
from getmailcore.message import Message
def written(text):
    lines = text.encode('latin1').split(b'\\n')
    return Message(fromlines=lines).flatten(False, False).decode('latin1')
json.dump([written(text) for text in json.load(sys.stdin)], sys.stdout)
`

const curl: Program = {
  name: 'curl',
  needs: ['curl'],
  goodCodes: [0],
  /** As a script does it: UIDL, what is new in one run, DELE for what came. */
  async fetch(dir, { user, password, port, ca }, { leave, mechanism }) {
    const folder = join(dir, 'mail')
    mkdirSync(folder, { recursive: true })
    const rc = written(join(dir, 'curlrc'), [
      ...(/OAUTH/.test(mechanism ?? '') ? [`user = "${user}"`, `oauth2-bearer = "${password}"`] : [`user = "${user}:${password}"`]),
      ...[`cacert = "${ca}"`, 'silent', 'show-error', 'fail-early'],
      ...(mechanism ? [`login-options = "AUTH=${mechanism}"`] : []),
    ])
    const url = `pop3s://localhost:${port}/`
    const call = (...args: string[]): Promise<Ran> => run('curl', ['--disable', '--config', rc, ...args])
    const listed = await call('--verbose', '--request', 'UIDL', url)
    if (listed.code !== 0) return listed
    const there = listed.out.split('\r\n').flatMap((line) => [...line.matchAll(/^(\d+) (\S+)$/g)])
    const fresh = there.filter(([, , id]) => !existsSync(join(folder, id!)))
    if (fresh.length > 0) {
      const got = await call(...fresh.flatMap(([, n, id]) => ['--output', join(folder, id!), `${url}${n}`]))
      if (got.code !== 0) return got
    }
    if (leave || there.length === 0) return listed
    // By unique-id: the server's policy may have taken them already.
    const left = (await call('--request', 'UIDL', url)).out
    const numbers = [...left.matchAll(/^(\d+) (\S+)\r$/gm)].filter(([, , id]) => existsSync(join(folder, id!))).map(([, n]) => n!)
    return numbers.length === 0 ? listed : call('--verbose', '--request', 'DELE', '--head', ...numbers.map((n) => `${url}${n}`))
  },
  mail: (dir) => filesOf(join(dir, 'mail')),
  stored: unchanged(networkLines),
}

const poplib: Program = {
  name: 'poplib',
  needs: ['python3'],
  goodCodes: [0],
  fetch(dir, { user, password, port, ca }, { leave }) {
    mkdirSync(join(dir, 'mail'), { recursive: true })
    const script = new URL('fetch.py', import.meta.url).pathname
    return run('python3', [script, join(dir, 'mail'), `${port}`, ca, user, password, leave ? 'leave' : 'delete'])
  },
  mail: (dir) => filesOf(join(dir, 'mail')),
  stored: unchanged(unixLines),
}

export const PROGRAMS: readonly Program[] = [fetchmail, mpop, getmail, curl, poplib]
export const programNamed = (name: string): Program => PROGRAMS.find((program) => program.name === name) ?? assert.fail(name)
