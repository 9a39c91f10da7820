/** Takes the messages of an APPEND or REPLACE to where the store can make them messages of a mailbox, all or none. */
import type { ContentStage, NewMessage } from '../../store/mailstore.ts'
import { Bad, No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import type { Head, MessageReader, Resolve } from './reader.ts'
import { resolverOf } from './resolve.ts'

/** Messages of one command: small ones wait in memory for the last of them, at most 256 KiB each. */
export const MAX_MESSAGES = 32

export interface TakeOptions {
  /** What stands before the first message. */
  readonly head: Head
  readonly reader: MessageReader
  /** Messages that are allowed. */
  readonly most: number
}

/** Calls `use` with all of them, and forgets them if that fails, or if any of them is not to be had. */
export async function takeMessages<T>(
  s: AuthenticatedSession,
  { head, reader, most }: TakeOptions,
  use: (messages: readonly NewMessage[]) => Promise<T>,
): Promise<T> {
  const stages: ContentStage[] = []
  const messages: NewMessage[] = []
  const resolve = resolverOf(s)
  try {
    for (let next: Head | undefined = head; next; next = reader.more ? reader.head() : undefined) {
      if (messages.length === most)
        throw most === 1 ? new Bad('Expected the end of the command after the message') : new No('LIMIT', `One command may have ${most} messages`)
      const stage = s.store.stage(s.access, s.services.limits.messageSize)
      stages.push(stage)
      messages.push(await takeMessage(s, { stage, head: next, reader, resolve }))
    }
    return await use(messages)
  } finally {
    for (const stage of stages) stage.discard()
  }
}

async function takeMessage(
  s: AuthenticatedSession,
  { stage, head, reader, resolve }: { stage: ContentStage; head: Head; reader: MessageReader; resolve: Resolve },
): Promise<NewMessage> {
  let any = false
  for await (const piece of reader.octets(head, { room: s.services.limits.messageSize, resolve })) {
    any ||= piece.length > 0
    await stage.write(piece)
  }
  if (!any) throw new No('CANNOT', 'A message of no octets is none')
  return { content: await stage.finish(), flags: head.flags, internalDate: head.internalDate ?? Date.now() }
}
