import { levels } from '../../counts.ts'
import { command, LOGGED_IN, noArguments } from '../command.ts'
import { Bad } from '../reply.ts'
import type { Session } from '../session.ts'
import { sync } from '../sync.ts'

const MAX_DONE = 1024

/**
 * IDLE: news as it happens, until DONE. It never times out. client: some Outlooks stop getting mail for good when the server ends an IDLE, and NATs
 * forget silent connections; hence `* OK Still here`. client: iOS 18 sends IDLE and DONE in one packet. It is announced before login too: client:
 * fetchmail and imaplib never ask again. RFC 2177, RFC 9051 §6.3.13.
 */
export const idle = command({
  names: ['IDLE'],
  rfc: 'RFC 2177',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'IDLE',
  parse: noArguments,
  async run(s) {
    const { keepAlive, pollTime } = s.services.limits
    s.out.output.write('+ idling\r\n')
    await s.out.flush()
    await tell(s, 'try')
    let alive = performance.now()
    let polled = alive
    const tick = async (): Promise<void> => {
      const now = performance.now()
      const isDue = now - polled >= pollTime
      if (isDue) polled = now
      if (now - alive >= keepAlive) {
        s.out.status('OK', 'Still here')
        alive = now
      }
      await tell(s, isDue ? 'maybe' : 'known')
    }
    const leave = s.services.rounds.join(() => {
      if (performance.now() >= Math.min(polled + pollTime, alive + keepAlive)) s.exchange.wake()
    })
    levels.idle++
    const line = await s.exchange.wait(MAX_DONE, tick).finally(() => {
      levels.idle--
      leave()
    })
    if (line.toString('latin1').toUpperCase() !== 'DONE') throw new Bad('Expected DONE')
    return { ok: 'IDLE terminated' }
  },
})

async function tell(s: Session, how: 'try' | 'maybe' | 'known'): Promise<void> {
  // RFC 5465 §4: exactly what NOTIFY asked for.
  if (s.notifier) return await s.notifier.tell(how, { idle: true })
  if (s.quiet) return await s.out.flush()
  const synced = await sync(s, 'all', how)
  if (synced) s.out.status('OK', 'Told up to here', synced)
  await s.out.flush()
}
