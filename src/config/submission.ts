/** The section `submission` of a mailbox, and of an app password, where it counts before the mailbox's: what becomes of what is sent. */
import { z } from 'zod'
import { section } from './limits.ts'
import { time } from './units.ts'

const SECOND = 1000
const MAX_UNDO = 10 * 60 * SECOND

const UNDO = { error: '0, or whole seconds, up to 10 min, such as 20 s' }
const undo = z.union([z.literal(0), time.refine((ms) => ms % SECOND === 0 && ms <= MAX_UNDO, UNDO)], UNDO).transform((ms) => ms / SECOND)

export const submission = section({ sent_copy: z.boolean({ error: 'true or false' }), undo_send: undo })
  .partial()
  .optional()

export type SubmissionConfig = z.output<typeof submission>
