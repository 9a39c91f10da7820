/** A SCRAM client of our own, written from RFC 5802 without a look at the server: what it sends can be bent in every place. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

export interface ScramChoices {
  readonly user: string
  readonly password: string
  /** `n`, `y` or `p=type`. */
  readonly flag?: string
  /** What the channel is called. */
  readonly data?: Buffer
  readonly authzid?: string
  readonly nonce?: string
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

export class ScramClient {
  readonly #password: string
  readonly #header: string
  readonly #data: Buffer
  readonly #bare: string
  /** What the server has to say to `final`. */
  expected = ''

  constructor({ user, password, flag = 'n', data = Buffer.alloc(0), authzid, nonce = randomBytes(12).toString('base64') }: ScramChoices) {
    this.#password = password
    this.#header = `${flag},${authzid === undefined ? '' : `a=${authzid}`},`
    this.#data = data
    this.#bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  }

  get first(): string {
    return this.#header + this.#bare
  }

  final(serverFirst: string): string {
    const { r = '', s = '', i = '' } = Object.fromEntries(serverFirst.split(',').map((part) => [part[0], part.slice(2)]))
    const withoutProof = `c=${Buffer.concat([Buffer.from(this.#header), this.#data]).toString('base64')},r=${r}`
    const message = `${this.#bare},${serverFirst},${withoutProof}`
    const salted = pbkdf2Sync(this.#password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
    const proof = clientKey.map((octet, at) => octet ^ signature[at]!)
    this.expected = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }
}
