/** All workers replaced twenty times while mail comes in. */
import { test } from 'node:test'
import { redisMissing } from '../support/redis.ts'
import { judge, roll } from './rolling.ts'

test('workers are replaced twenty times under load: nothing lost, nothing doubled, everybody back', { skip: redisMissing }, async (t) => {
  judge(t, await roll(20), 20)
})
