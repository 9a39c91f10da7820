/** REDIS_URL with the embedded Postgres: mail is served with Redis, and without it when it goes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { connect } from 'node:tls'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { startServer, type TestServer } from '../support/server.ts'

let redis: TestRedis | undefined
let server: TestServer | undefined
after(async () => {
  await server?.close()
  await redis?.close()
})

/** USER and PASS on 995; the answer. */
async function login({ endpoints, port }: TestServer): Promise<string> {
  const [{ address, password }] = endpoints.mailboxes as [{ address: string; password: string }]
  const socket = connect({ host: 'localhost', port: port('pop3s'), rejectUnauthorized: false })
  socket.on('error', () => {})
  await once(socket, 'data')
  socket.write(`USER ${address}\r\n`)
  await once(socket, 'data')
  socket.write(`PASS ${password}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.end('QUIT\r\n')
  return answer.toString('latin1')
}

test('with Redis, and on when it is gone', { skip: redisMissing }, async () => {
  redis = await testRedis()
  server = await startServer({ env: { REDIS_URL: redis.url } })
  assert.match(await login(server), /^\+OK/)
  assert.doesNotMatch(server.output, /Redis does not answer/)
  await redis.kill()
  assert.match(await login(server), /^\+OK/)
  assert.equal(await server.stop(), 0)
})
