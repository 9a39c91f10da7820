/** Every kill point of every scenario, POSTERN_KILL_ROUNDS times each (3 unless said; 100 takes a night): a round of all points, then the next. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { House, killAt, pointsOf } from './kill-points.ts'
import { SCENARIOS } from './kill-scenarios.ts'

const ROUNDS = Number(process.env['POSTERN_KILL_ROUNDS'] || 3)
const house = await House.build()
after(() => house.close())

for (const scenario of SCENARIOS)
  test(`killed at every point: ${scenario.name}`, async (t) => {
    const points = [...(await pointsOf(house, scenario)), ...(scenario.moments ?? [])]
    let hit = 0
    let missed = 0
    for (let round = 0; round < ROUNDS; round++) {
      for (const point of points) {
        if (await killAt(house, scenario, point)) hit++
        else missed++
      }
      assert.equal(await house.orphans(), 0)
    }
    t.diagnostic(`${points.length} points, ${hit} kills, ${missed} runs over before their point`)
    assert.ok(hit >= points.length * ROUNDS * 0.9, `${hit} of ${points.length * ROUNDS}`)
  })
