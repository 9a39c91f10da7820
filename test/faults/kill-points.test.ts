/** A few kill points of each kind; all of them are in kill-points.full.ts. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Point } from '../support/cutting-proxy.ts'
import { House, killAt, pointsOf, type Scenario } from './kill-points.ts'
import { LARGE_TO_THREE, MOVE, QUIT, QUIT_TO_TRASH, SMALL, STORE, SUBMISSION } from './kill-scenarios.ts'

const house = await House.build()
after(() => house.close())

const answered = (statement: string): Point => ({ statement, nth: 1, moment: 'answered' })
const CHOSEN: readonly (readonly [Scenario, readonly (Point | string)[]])[] = [
  [SMALL, [answered('land'), 'in DATA']],
  [LARGE_TO_THREE, [answered('commit')]],
  [SUBMISSION, [answered('queue_enqueue'), { statement: 'commit', nth: 1, moment: 'sent' }]],
  [MOVE, [{ statement: 'commit', nth: 1, moment: 'sent' }]],
  [STORE, [answered('mailbox_move_on')]],
  [QUIT, [answered('commit')]],
  [QUIT_TO_TRASH, [answered('lease_fence'), { statement: 'commit', nth: 1, moment: 'sent' }]],
]

for (const [scenario, points] of CHOSEN)
  test(`killed: ${scenario.name}`, async () => {
    const there = await pointsOf(house, scenario)
    for (const point of points) {
      if (typeof point !== 'string')
        assert.ok(
          there.some((p) => p.statement === point.statement && p.nth === point.nth),
          `${point.statement} ${point.nth} is in ${JSON.stringify(there)}`,
        )
      assert.ok(await killAt(house, scenario, point), `${scenario.name} never got to ${JSON.stringify(point)}`)
    }
  })

test('what was staged and never became a message goes with the reaper', async () => {
  assert.ok((await house.number('select count(*) from content_chunk')) > 0)
  assert.equal(await house.orphans(), 0)
})
