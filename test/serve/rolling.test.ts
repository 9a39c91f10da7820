/** All workers replaced twice while mail comes in; rolling.full.ts does it twenty times. */
import { test } from 'node:test'
import { redisMissing } from '../support/redis.ts'
import { judge, roll } from './rolling.ts'

test('workers are replaced twice under load: nothing lost, nothing doubled, everybody back', { skip: redisMissing }, async (t) => {
  judge(t, await roll(2), 2)
})
