/** What in a message may be a report: by the name or the type that its sender gave it, since large receivers get the one or the other wrong. */
import type { FieldValues } from '../mail/header.ts'
import { collectFields } from '../mail/header.ts'
import { parameter, parseParametrised } from '../mail/parameters.ts'
import { type Part, unpackParts } from '../mail/parts.ts'
import { parseStructure } from '../mail/structure.ts'
import { transferDecoder } from '../mail/transfer.ts'
import { READ_LIMITS } from './unreadable.ts'

const FIELDS = new Set(['content-type', 'content-disposition'])
const NAMED = /\.(?:xml|json|zip|gz|gzip)$/i
const TYPED = /zip|xml|json|tlsrpt|octet-stream/

/** In the order of the message, decoded; at most so many. */
export function attachmentsOf(message: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (const part of unpackParts(parseStructure(message).parts)) {
    if (part.kind !== 'leaf' || !mayBeReport(collectFields(message.subarray(part.headerFrom, part.bodyFrom), FIELDS))) continue
    found.push(decoded(message, part))
    if (found.length === READ_LIMITS.attachments) break
  }
  return found
}

function mayBeReport(fields: FieldValues): boolean {
  const type = parseParametrised(fields.get('content-type')?.[0] ?? '')
  const disposition = parseParametrised(fields.get('content-disposition')?.[0] ?? '')
  const name = parameter(disposition.parameters, 'filename') ?? parameter(type.parameters, 'name') ?? ''
  return TYPED.test(type.value) || NAMED.test(name.trim())
}

function decoded(message: Buffer, { encoding, bodyFrom, bodyTo }: Part): Buffer {
  const decoder = transferDecoder(encoding)
  return Buffer.concat([decoder.write(message.subarray(bodyFrom, bodyTo)), decoder.end()])
}
