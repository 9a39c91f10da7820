/** Messages in the name of domains of a zone, and the records that these domains have. Signed by dkimpy: Debian package `python3-dkim`. */
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from '../../support/programs.ts'

export type Kind = 'rsa' | 'ed25519'

export interface Message {
  readonly subject: string
  readonly from: string
  readonly body?: string
  /** Fields, each with CRLF. */
  readonly more?: string
}

export class Forger {
  /** In the form of a zone file. */
  readonly records: readonly string[]
  readonly #keys: Readonly<Record<Kind, string>>

  constructor(dir: string, zone: string) {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const ed25519 = generateKeyPairSync('ed25519')
    this.#keys = { rsa: join(dir, 'forger-rsa.pem'), ed25519: join(dir, 'forger-ed25519.key') }
    writeFileSync(this.#keys.rsa, rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }))
    // What it reads is the seed alone.
    writeFileSync(this.#keys.ed25519, ed25519.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32).toString('base64'))
    const p = rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    const keyRecords = [
      `TXT "v=DKIM1; k=rsa; p=${p.slice(0, 200)}" "${p.slice(200)}"`,
      `TXT "v=DKIM1; k=ed25519; p=${ed25519.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')}"`,
    ] as const
    const fan = Array.from({ length: 12 }, (_, i) => `include:leaf${i}.${zone}`).join(' ')
    this.records = [
      ...['bank', 'mail.bank', 'other', 'mail.strict'].flatMap((name) => [
        `rsa._domainkey.${name}.${zone}. ${keyRecords[0]}`,
        `ed25519._domainkey.${name}.${zone}. ${keyRecords[1]}`,
      ]),
      ...['bank', 'strict', 'quiet', 'none'].map((name) => `${name}.${zone}. TXT "v=spf1 -all"`),
      `_dmarc.bank.${zone}. TXT "v=DMARC1; p=reject"`,
      `_dmarc.strict.${zone}. TXT "v=DMARC1; p=reject; adkim=s; aspf=s"`,
      `_dmarc.quiet.${zone}. TXT "v=DMARC1; p=quarantine"`,
      `_dmarc.none.${zone}. TXT "v=DMARC1; p=none"`,
      `circle.${zone}. TXT "v=spf1 include:circle.${zone} -all"`,
      `turn.${zone}. TXT "v=spf1 redirect=turn2.${zone}"`,
      `turn2.${zone}. TXT "v=spf1 redirect=turn.${zone}"`,
      `fan.${zone}. TXT "v=spf1 ${fan} -all"`,
      ...Array.from({ length: 12 }, (_, i) => `leaf${i}.${zone}. TXT "v=spf1 ip4:198.51.100.1 -all"`),
      `void.${zone}. TXT "v=spf1 ${Array.from({ length: 5 }, (_, i) => `a:void${i}.${zone}`).join(' ')} -all"`,
    ]
  }

  /** Its Message-ID begins with the subject. */
  message({ subject, from, body = 'body', more = '' }: Message): string {
    const domain = from.slice(from.indexOf('@') + 1)
    const date = 'Date: Sun, 29 Nov 2026 12:00:00 +0000'
    return `From: <${from}>\r\nTo: <somebody@example.org>\r\nSubject: ${subject}\r\n${date}\r\nMessage-ID: <${subject}@${domain}>\r\n${more}\r\n${body}\r\n`
  }

  /** With a signature on top. */
  async sign(text: string, { domain, kind = 'rsa' }: { readonly domain: string; readonly kind?: Kind }): Promise<string> {
    const args = ['--bcanon', 'relaxed', '--signalg', `${kind}-sha256`, kind, domain, this.#keys[kind]]
    const { out } = await succeed('dkimsign', args, { input: Buffer.from(text, 'latin1') })
    return out.replaceAll(/\r?\n/g, '\r\n')
  }
}
