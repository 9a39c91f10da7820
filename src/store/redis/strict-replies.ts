/**
 * ioredis takes whatever it reads for Redis's words. A reply of another shape than the command's (a proxy's, another server's) makes it throw, and it throws on the next
 * tick, out of everybody's reach: the process would end. Here such a reply ends its connection instead. Leans on `DataHandler#dispatch` of ioredis 6; the lying servers in
 * test/contract/redis.test.ts hold it.
 */
import dataHandler from 'ioredis/built/DataHandler.js'

interface Handler {
  readonly redis: { readonly stream: { destroy(err: Error): void } }
}

const handler = dataHandler.default.prototype as unknown as { dispatch(this: Handler, take: () => void): void }
if (typeof handler.dispatch !== 'function') throw new Error('this ioredis has no DataHandler#dispatch: strict-replies.ts must be looked at')
handler.dispatch = function (take) {
  try {
    take()
  } catch (err) {
    this.redis.stream.destroy(new Error('this is not what Redis says', { cause: err }))
  }
}
