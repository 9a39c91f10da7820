/** A session of an account that nothing happens to: how long does its NOOP take while everything else goes wrong? (I9) */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImapClient } from '../imap-client.ts'
import { address, BYSTANDER, type Host, type Load, PASSWORD, reconnecting } from './load.ts'

const EVERY_MS = 50
/** A sample during which this process's own loop was late by more is no sample of the server. */
const OWN_DELAY_MS = 20

export interface Sample {
  readonly host: string
  /** Milliseconds of the process at its end. */
  readonly at: number
  readonly ms: number
}

/** Adds to `samples`; runs through quiet times too. */
export async function bystander(load: Load, host: Host, samples: Sample[]): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  try {
    await reconnecting(load, 'bystander', async (well) => {
      const client = await ImapClient.login(host.where('imaps'), { user: address(BYSTANDER), password: PASSWORD })
      try {
        await client.must('SELECT INBOX')
        well()
        while (!load.stop.aborted) {
          delay.reset()
          const before = performance.now()
          await client.command('NOOP')
          const at = performance.now()
          if (delay.max / 1e6 < OWN_DELAY_MS) samples.push({ host: host.name, at, ms: at - before })
          await sleep(EVERY_MS)
        }
      } finally {
        client.close()
      }
    })
  } finally {
    delay.disable()
  }
}
