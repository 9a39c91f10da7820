/** SIGTERM under mail: what was acknowledged is there, a message that is coming in is finished, who takes too long hears 421. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { House, Wire } from './kill-points.ts'

const house = await House.build('drain_seconds: 3')
after(() => house.close())

const SMTP = /^\d{3} /

async function inData(): Promise<Wire> {
  const wire = await Wire.open(house.server, 'mx')
  for (const line of ['EHLO c', 'MAIL FROM:<a@else.example>', 'RCPT TO:<ann@example.test>', 'DATA'])
    assert.match(await wire.say(line, SMTP), /^[23]5/)
  return wire
}

test('told to stop under load', async () => {
  const { exists } = await house.count('ann')
  let acknowledged = 0
  let sent = 0
  const lane = async (): Promise<string> => {
    const wire = await Wire.open(house.server, 'mx')
    let said = await wire.say('EHLO c', SMTP)
    for (; said.startsWith('250'); ) {
      for (const line of ['MAIL FROM:<a@else.example>', 'RCPT TO:<ann@example.test>', 'DATA']) {
        said = await wire.say(line, SMTP)
        if (!/^[23]5/.test(said)) return said
      }
      said = await wire.say(`Subject: ${++sent}\r\n\r\n${'a line of text\r\n'.repeat(100)}.`, SMTP)
      if (said.startsWith('250')) acknowledged++
    }
    return said
  }
  const lanes = Array.from({ length: 6 }, lane)
  const [slow, stuck] = [await inData(), await inData()]
  slow.send('Subject: slow\r\n\r\n')
  while (acknowledged < 50) await sleep(5)
  const stopped = house.server.stop()
  for (const said of await Promise.all(lanes)) assert.match(said, /^421 4\.3\.2 |^$/)
  await sleep(500)
  assert.match(await slow.say('the rest\r\n.', SMTP), /^250/)
  assert.match(await slow.line(), /^421/)
  assert.match(await stuck.line(), /^421 4\.3\.2 /)
  assert.equal(await stopped, 0)
  assert.equal((await house.count('ann')).exists, exists + acknowledged + 1)
})
