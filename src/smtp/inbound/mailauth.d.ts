/** What is used of mailauth beside its typed entry points. */
declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  export interface HeaderRow {
    /** Lower-case name. */
    readonly key: string
    readonly line: Buffer
  }
  export interface Headers {
    readonly parsed: HeaderRow[]
  }
  export interface SignatureStatus {
    result: string
    comment?: string | false
    /** Octets of the canonical body that l= leaves out. */
    underSized?: number
    policy?: Record<string, string>
  }
  export interface SignatureResult {
    readonly signingDomain?: string
    readonly selector?: string
    readonly algo?: string
    readonly signature?: string
    readonly status: SignatureStatus
  }
  export interface ArcData {
    chain: false | Record<string, { parsed?: Record<string, unknown> }>[]
    lastEntry?: { messageSignature?: SignatureResult }
  }
  /** What a body hash has to be. */
  export interface BodyHash {
    readonly byteLength: number
    readonly canonicalizedLength: number
    readonly bodyHashedBytes: number
    update(chunk: Buffer): void
    digest(encoding: 'base64'): string
    setContentType(type: unknown): void
    getMimeStructureStart(): undefined
  }
  export class DkimVerifier {
    constructor(options: { resolver: (name: string, type: string) => Promise<unknown[]>; strict: boolean; minBitLength: number; sender: string })
    headers: Headers
    readonly arc: ArcData
    readonly results: SignatureResult[]
    readonly headerFrom: string[]
    readonly bodyHashes: Map<string, BodyHash>
    emitHeaders(block: Buffer): Promise<void>
    messageHeaders(headers: Headers): Promise<void>
    addBodyHash(canonicalization: string, hash: string, length: number | ''): string
    finalChunk(): Promise<void>
  }
}
