/** Mail from servers that others wrote, judged here; and ours, judged by others. Run by judged.test.ts. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hashPassword } from '../../../src/auth/password.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { succeed } from '../../support/programs.ts'
import { dataFolder, postern, startServer, type TestServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { until } from '../outbound/house.ts'
import { startDns, type WorldDns, ZONE } from './dns.ts'
import { Forger } from './forger.ts'
import { ownNetwork, recordsOf, tlsaOf } from './hosts.ts'
import { allMail } from './mailbox.ts'
import { startOpenDkim } from './opendkim.ts'
import { startOpenDmarc } from './opendmarc.ts'
import { type Postfix, startPostfix } from './postfix.ts'
import type { Program } from './programs.ts'

const OURS = { domain: `us.${ZONE}`, hostname: `mail.us.${ZONE}`, address: '10.88.0.1' }
const THEIRS = { domain: `postfix.${ZONE}`, hostname: `mail.postfix.${ZONE}`, address: '10.88.0.2', user: 'bob' }
const BOB = `${THEIRS.user}@${THEIRS.domain}`
const PASSWORD = 'correct horse'
/** Who lives here, and what becomes of what DMARC wants rejected. */
const ANN = `ann@${OURS.domain}`
const CID = `cid@mild.${OURS.domain}`
const DAN = `dan@open.${OURS.domain}`
/** Domains of ours whose mail has one kind of signature, and no SPF. */
const ONE_KEY = { rsa: `rsa.${OURS.domain}`, ed25519: `ed.${OURS.domain}` } as const

const MILTERS = { dkim: 8891, dmarc: 8893 }
const RESOLVER = 5302
const UNANSWERED = { zone: 'unanswered.test', port: 5303 }
const REFUSED = 'refused.test'

const root = makeAuthority()
const ours = root.give({ names: [OURS.hostname] })
const theirs = root.give({ names: [THEIRS.hostname] })
const dir = tempFolder('judged')
const data = dataFolder()
const forger = new Forger(dir, ZONE)
const programs: Program[] = []
let database: TestDatabase
let server: TestServer
let dns: WorldDns
let resolver: Program
let postfix: Postfix
/** Takes questions and answers none. */
const mute = createSocket('udp4')

const config = async (): Promise<string> => {
  const hash = await hashPassword(PASSWORD)
  const local = [OURS.domain, `mild.${OURS.domain}`, `open.${OURS.domain}`, ...Object.values(ONE_KEY)]
  const people = [ANN, CID, DAN, ...Object.values(ONE_KEY).map((domain) => `me@${domain}`)]
  return `hostname: ${OURS.hostname}
domains: [${local.join(', ')}]
mailboxes:
${people.map((address) => `  - { address: ${address}, password_hash: "${hash}" }`).join('\n')}
workers: 1
tls: { cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')} }
listeners: { mx: { host: ${OURS.address}, port: 25 } }
dns: { servers: ["127.0.0.1:${RESOLVER}"], validating: true }
inbound: { dmarc: reject, domains: { mild.${OURS.domain}: junk, open.${OURS.domain}: mark } }
outbound: { private_addresses: true }
limits: { smtp: { greeting_delay: 1 ms } }
`
}

const cli = (...args: string[]) => postern([...args, '--data', data], { env: { DATABASE_URL: database.url } })

/** The record of one kind of key only: it signs alone. */
async function addKey(domain: string, kind: 'rsa' | 'ed25519'): Promise<string> {
  const { out } = await cli('dkim', 'add', domain)
  const record = out.split('\n').find((line) => line.includes(' TXT ') && line.includes(`k=${kind}`))
  assert.ok(record, out)
  return record
}

before(async () => {
  await ownNetwork(dir, [OURS, THEIRS])
  writeFileSync(join(dir, 'cert.pem'), ours.cert)
  writeFileSync(join(dir, 'key.pem'), ours.key, { mode: 0o600 })
  writeFileSync(join(dir, 'root.pem'), root.cert)
  database = await testDatabase()
  writeFileSync(join(data, 'postern.yaml'), await config(), { mode: 0o600 })
  const records = [
    ...recordsOf(OURS),
    ...recordsOf(THEIRS),
    ...['mild', 'open'].map((name) => `${name}.${OURS.domain}. MX 10 ${OURS.hostname}.`),
    ...[tlsaOf(OURS, ours), tlsaOf(THEIRS, theirs)],
    ...forger.records,
  ]
  for (const [kind, domain] of Object.entries(ONE_KEY)) {
    records.push(await addKey(domain, kind as keyof typeof ONE_KEY), `_dmarc.${domain}. TXT "v=DMARC1; p=reject"`)
    records.push(`${domain}. MX 10 ${OURS.hostname}.`, `${domain}. TXT "v=spf1 -all"`)
  }
  dns = await startDns(dir, records)
  resolver = await dns.resolver(RESOLVER, { unanswered: UNANSWERED, refused: REFUSED })
  programs.push(resolver, await startOpenDkim({ dir, hostname: THEIRS.hostname, port: MILTERS.dkim }))
  programs.push(await startOpenDmarc({ dir, hostname: THEIRS.hostname, port: MILTERS.dmarc }))
  postfix = await startPostfix({ ...THEIRS, dir: join(dir, 'postfix'), pem: theirs, milter: '' })
  // It changes what it sends on, after it was signed.
  writeFileSync(join(dir, 'postfix/changes'), '/^to be changed$/ REPLACE changed on the way\n', { mode: 0o644 })
  await postfix.set('smtp_body_checks', `regexp:${dir}/postfix/changes`)
  server = await startServer({ dir: data, env: { DATABASE_URL: database.url }, args: ['--ports', 'standard'] })
  await new Promise<void>((bound) => mute.bind(UNANSWERED.port, '127.0.0.1', bound))
  // They take a while, during the tests before the one that looks what became of them.
  await sendTroubled('refused')
  await sendTroubled('unanswered')
})
after(async () => {
  mute.close()
  await server?.close()
  await postfix?.close()
  await Promise.all(programs.map((program) => program.close()))
  await dns?.close()
  await database?.close()
  removeFolder(dir)
  removeFolder(data)
})

const curl = (args: readonly string[], text: string) =>
  succeed('curl', ['-sS', '--cacert', join(dir, 'root.pem'), ...args, '-T', '-'], { input: Buffer.from(text, 'latin1') })
/** Through Postfix, as somebody of its own host. */
const hand = (text: string, to: readonly string[], from = BOB) =>
  curl(
    [
      ...['--resolve', `${THEIRS.hostname}:25:${THEIRS.address}`, '--ssl-reqd', `smtp://${THEIRS.hostname}/x.test`],
      ...['--mail-from', from, ...to.flatMap((one) => ['--mail-rcpt', one])],
    ],
    text,
  )
const submit = (text: string, from: string, to: string) =>
  curl(
    [
      ...['--resolve', `${OURS.hostname}:465:${OURS.address}`, `smtps://${OURS.hostname}/us.test`, '-u', `${from}:${PASSWORD}`],
      ...['--mail-from', from, '--mail-rcpt', to],
    ],
    text,
  )

/** By address and mailbox, the messages of this subject. */
async function found(address: string, subject: string): Promise<Record<string, string[]>> {
  const boxes = await allMail({ host: OURS.address, servername: OURS.hostname, ca: root.cert, user: address, pass: PASSWORD })
  const matching = Object.entries(boxes).map(([name, texts]) => [name, texts.filter((text) => text.includes(`Subject: ${subject}\r\n`))] as const)
  return Object.fromEntries(matching.filter(([, texts]) => texts.length > 0))
}
/** Ours, unfolded, without the name of this server. */
const results = (text: string): string =>
  (new RegExp(`^Authentication-Results: ${OURS.hostname};((?:.*\\r\\n[ \\t])*.*)\\r\\n`, 'm').exec(text)?.[1] ?? '').replaceAll(/\s+/g, ' ').trim()

/** What Postfix says became of it: a line for each recipient. */
const said = (subject: string): string[] => {
  const log = readFileSync(postfix.log, 'utf8').split('\n')
  const id = log.map((line) => /: ([0-9A-F]+): message-id=<(.*)@/.exec(line)).find((match) => match?.[2] === subject)?.[1]
  return log.filter((line) => id !== undefined && line.includes(`: ${id}: to=<`) && line.includes('status=') && !line.includes('status=deferred'))
}
const settled = (subject: string, n: number, ms?: number) => until(`${n} answers for ${subject}`, () => said(subject).length >= n, ms)
/** Seconds from MAIL to the answer to the final dot. */
const seconds = (line: string): number => Number(/ delays=[\d.]+\/[\d.]+\/[\d.]+\/([\d.]+),/.exec(line)?.[1])
const saidOf = (subject: string, to: string): string => said(subject).find((line) => line.includes(`to=<${to}>`)) ?? ''

const TOLD = (domain: string): string =>
  `550 5.7.26 Mail from ${domain} has to pass SPF or DKIM for that domain, and this passes neither; its DMARC policy is p=reject`

/** Senders whose domain the DNS has trouble with. */
const TROUBLED = { refused: `x@${REFUSED}`, unanswered: `x@${UNANSWERED.zone}`, paused: `x@bank.${ZONE}`, gone: `x@quiet.${ZONE}` }
const sendTroubled = (subject: keyof typeof TROUBLED) => hand(forger.message({ subject, from: TROUBLED[subject] }), [ANN], TROUBLED[subject])

interface Case {
  readonly subject: string
  readonly from: string
  readonly envelope?: string
  readonly sign?: { readonly domain: string; readonly kind?: 'rsa' | 'ed25519' }
  readonly body?: string
  /** What stands of it. */
  readonly results: RegExp
  /** refused: by p=reject. junk: everybody's but whose domain only marks. */
  readonly fate: 'taken' | 'junk' | 'refused'
}

const bank = `bank.${ZONE}`
const CASES: readonly Case[] = [
  {
    subject: 'spf-aligned',
    from: BOB,
    results: /^spf=pass smtp\.mailfrom=postfix\.world\.test; dkim=none; dmarc=none header\.from=postfix\.world\.test$/,
    fate: 'taken',
  },
  {
    subject: 'reject-nothing',
    from: `x@${bank}`,
    envelope: `x@${bank}`,
    results: /^spf=fail smtp\.mailfrom=bank\.world\.test; dkim=none; dmarc=fail \(p=reject\) header\.from=bank\.world\.test$/,
    fate: 'refused',
  },
  {
    subject: 'reject-spf-of-another',
    from: `x@${bank}`,
    results: /^spf=pass smtp\.mailfrom=postfix\.world\.test; dkim=none; dmarc=fail \(p=reject\)/,
    fate: 'refused',
  },
  {
    subject: 'rsa',
    from: `x@${bank}`,
    sign: { domain: bank },
    results: /; dkim=pass header\.d=bank\.world\.test .*; dmarc=pass \(p=reject\)/,
    fate: 'taken',
  },
  {
    subject: 'ed25519',
    from: `x@${bank}`,
    sign: { domain: bank, kind: 'ed25519' },
    results: /; dkim=pass header\.d=bank\.world\.test header\.s=ed25519 header\.a=ed25519-sha256 .*; dmarc=pass \(p=reject\)/,
    fate: 'taken',
  },
  {
    subject: 'changed-on-the-way',
    from: `x@${bank}`,
    sign: { domain: bank },
    body: 'to be changed',
    results: /; dkim=(?:fail|neutral) \(body hash did not verify\) .*; dmarc=fail \(p=reject\)/,
    fate: 'refused',
  },
  {
    subject: 'signed-by-another',
    from: `x@${bank}`,
    sign: { domain: `other.${ZONE}` },
    results: /; dkim=pass header\.d=other\.world\.test .*; dmarc=fail \(p=reject\)/,
    fate: 'refused',
  },
  {
    subject: 'relaxed-alignment',
    from: `x@${bank}`,
    sign: { domain: `mail.${bank}` },
    results: /; dkim=pass header\.d=mail\.bank\.world\.test .*; dmarc=pass \(p=reject\)/,
    fate: 'taken',
  },
  {
    subject: 'strict-alignment',
    from: `x@strict.${ZONE}`,
    sign: { domain: `mail.strict.${ZONE}` },
    results: /; dkim=pass header\.d=mail\.strict\.world\.test .*; dmarc=fail \(p=reject\)/,
    fate: 'refused',
  },
  { subject: 'quarantine', from: `x@quiet.${ZONE}`, results: /; dmarc=fail \(p=quarantine\) header\.from=quiet\.world\.test$/, fate: 'junk' },
  {
    subject: 'none',
    from: `x@none.${ZONE}`,
    envelope: `x@none.${ZONE}`,
    results: /^spf=fail smtp\.mailfrom=none\.world\.test; dkim=none; dmarc=fail \(p=none\)/,
    fate: 'taken',
  },
]

test('SPF, DKIM and DMARC of mail that Postfix brings, for who rejects, puts into junk, or only marks', async () => {
  const people = [ANN, CID, DAN]
  for (const { subject, from, envelope, sign, body = 'as it is' } of CASES) {
    const text = forger.message({ subject, from, body })
    await hand(sign ? await forger.sign(text, sign) : text, people, envelope)
  }
  for (const { subject } of CASES) await settled(subject, people.length)
  for (const { subject, from, results: words, fate } of CASES) {
    const [forAnn, forCid, forDan] = await Promise.all(people.map((one) => found(one, subject)))
    const domain = from.slice(from.indexOf('@') + 1)
    const boxes = { ann: Object.keys(forAnn!), cid: Object.keys(forCid!), dan: Object.keys(forDan!) }
    const mild = fate === 'taken' ? 'INBOX' : 'Junk'
    assert.deepEqual(boxes, { ann: fate === 'refused' ? [] : [mild], cid: [mild], dan: ['INBOX'] }, subject)
    for (const [text] of [...Object.values(forAnn!), ...Object.values(forCid!), ...Object.values(forDan!)])
      assert.match(results(text!), words, subject)
    const line = saidOf(subject, ANN)
    if (fate === 'refused')
      assert.match(
        line,
        new RegExp(`dsn=5\\.7\\.26, status=bounced \\(host .* said: ${TOLD(domain).replaceAll('.', '\\.')} \\(in reply to end of DATA`),
      )
    else assert.match(line, /dsn=2\.0\.0, status=sent \(250 2\.0\.0 Accepted as /, subject)
  }
  // What Postfix tells the sender is in our words.
  const wanted = CASES.filter(({ fate, envelope }) => fate === 'refused' && envelope === undefined)
  await until(
    'bounces at Postfix',
    () => postfix.mail().filter((text) => text.includes('Diagnostic-Code: smtp; 550 5.7.26')).length === wanted.length,
  )
  for (const { subject } of wanted) {
    const bounce = postfix.mail().find((text) => text.includes('multipart/report') && text.includes(`Subject: ${subject}\n`))
    assert.match(bounce ?? '', /Status: 5\.7\.26\n/, subject)
    assert.match((bounce ?? '').replaceAll(/\s+/g, ' '), /passes neither; its DMARC policy is p=reject/)
  }
})

test('what a peer says in our name is gone, and what it says in its own stays', async () => {
  const lies = [
    `Authentication-Results: ${OURS.hostname}; dmarc=pass header.from=${bank}`,
    `authentication-results:\r\n\t(a) "${OURS.hostname.toUpperCase()}" 1; spf=pass smtp.mailfrom=${bank}`,
    `Authentication-Results: elsewhere.${ZONE}; spf=pass`,
  ]
  await hand(`${lies.join('\r\n')}\r\n${forger.message({ subject: 'lies', from: `x@none.${ZONE}`, more: `${lies[0]}\r\n` })}`, [ANN])
  await settled('lies', 1)
  const text = (await found(ANN, 'lies'))['INBOX']![0]!
  assert.equal(text.match(new RegExp(`^authentication-results:\\s*(?:\\(a\\) )?"?${OURS.hostname}`, 'gim'))?.length, 1, text)
  assert.match(results(text), /^spf=pass smtp\.mailfrom=postfix\.world\.test; dkim=none; dmarc=fail/)
  assert.match(text, new RegExp(`^Authentication-Results: elsewhere\\.${ZONE}; spf=pass\r$`, 'm'))
})

test('records that lead in circles and a thousand signatures are answered soon', async () => {
  for (const name of ['circle', 'turn', 'fan', 'void'])
    await hand(forger.message({ subject: name, from: `x@${name}.${ZONE}` }), [ANN], `x@${name}.${ZONE}`)
  const signature = (_: unknown, i: number): string => `DKIM-Signature: v=1; a=rsa-sha256; d=d${i}.${ZONE}; s=rsa; h=from; bh=; b=AAAA\r\n`
  const signed = (subject: string, length: number): string =>
    Array.from({ length }, signature).join('') + forger.message({ subject, from: `x@none.${ZONE}` })
  await hand(signed('too-many', 1_000), [ANN])
  await hand(signed('many', 980), [ANN])
  await settled('too-many', 1)
  assert.match(saidOf('too-many', ANN), /status=bounced .* said: 552 5\.6\.0 The header has more than 1000 lines/)
  for (const subject of ['circle', 'turn', 'fan', 'void', 'many']) {
    await settled(subject, 1)
    const text = (await found(ANN, subject))['INBOX']?.[0]
    assert.ok(text, saidOf(subject, ANN))
    assert.match(results(text), subject === 'many' ? /; dkim=policy \(975 more not looked at\); / : /^spf=permerror /, subject)
    assert.ok(seconds(saidOf(subject, ANN)) < 5, saidOf(subject, ANN))
  }
})

test('trouble of the DNS refuses nothing: a zone without a server, one that is not answered for, and no resolver at all', async () => {
  await Promise.all([settled('refused', 1, 30_000), settled('unanswered', 1, 30_000)])
  try {
    // What it knows by now counts for a second.
    await new Promise((passed) => setTimeout(passed, 1_500))
    resolver.pause()
    await sendTroubled('paused')
    await settled('paused', 1, 30_000)
    await resolver.close()
    await sendTroubled('gone')
    await settled('gone', 1, 30_000)
  } finally {
    await resolver.close()
    resolver = await dns.resolver(RESOLVER, { unanswered: UNANSWERED, refused: REFUSED })
    programs.push(resolver)
  }
  for (const subject of Object.keys(TROUBLED)) {
    assert.match(saidOf(subject, ANN), /status=sent \(250 /, subject)
    assert.ok(seconds(saidOf(subject, ANN)) < 20.5, saidOf(subject, ANN))
    assert.match(results((await found(ANN, subject))['INBOX']![0]!), /^spf=temperror .*; dkim=none; dmarc=temperror header\.from=/, subject)
  }
})

test('ours at another: its OpenDMARC finds that our domain stands by it, by either kind of signature alone', async () => {
  await postfix.set('smtpd_milters', `inet:127.0.0.1:${MILTERS.dkim} inet:127.0.0.1:${MILTERS.dmarc}`)
  for (const [kind, domain] of Object.entries(ONE_KEY)) {
    const from = `me@${domain}`
    await submit(forger.message({ subject: `by-${kind}`, from }), from, BOB)
    await until(`mail at Postfix signed with ${kind}`, () => postfix.mail().some((text) => text.includes(`Subject: by-${kind}\n`)))
    const text = postfix
      .mail()
      .find((one) => one.includes(`Subject: by-${kind}\n`))!
      .replaceAll(/\n[ \t]+/g, ' ')
    const theirWords = text.split('\n').filter((line) => line.startsWith(`Authentication-Results: ${THEIRS.hostname};`))
    assert.match(theirWords.join('\n'), new RegExp(`dkim=pass .*header\\.d=${domain}.* header\\.a=${kind}-sha256`), text)
    assert.match(theirWords.join('\n'), new RegExp(`dmarc=pass \\(p=reject dis=none\\) header\\.from=${domain}`), text)
    assert.doesNotMatch(theirWords.join('\n'), /spf=pass/)
  }
})
