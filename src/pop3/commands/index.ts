/** Every command that there is; what is not here is not known and not announced. In the order of CAPA. */
import type { AnyCommand } from '../command.ts'
import { auth } from './auth.ts'
import { capa } from './capa.ts'
import { dele } from './dele.ts'
import { list } from './list.ts'
import { noop } from './noop.ts'
import { pass } from './pass.ts'
import { quit } from './quit.ts'
import { retr } from './retr.ts'
import { rset } from './rset.ts'
import { stat } from './stat.ts'
import { stls } from './stls.ts'
import { top } from './top.ts'
import { uidl } from './uidl.ts'
import { user } from './user.ts'

export const COMMANDS: readonly AnyCommand[] = [capa, stls, user, pass, auth, stat, list, uidl, retr, top, dele, rset, noop, quit]
