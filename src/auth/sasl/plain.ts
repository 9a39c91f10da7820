/** SASL PLAIN: `[authzid] NUL authcid NUL password` in one response. RFC 4616. */
import { failed, type SaslMechanism, type SaslStep } from './mechanism.ts'
import { readResponse } from './response.ts'

export const plain: SaslMechanism = {
  name: 'PLAIN',
  begin(initial) {
    const exchange = { next: read }
    if (initial === undefined) return { step: { kind: 'challenge', line: '' }, exchange }
    return { step: read(initial === '=' ? '' : initial), exchange }
  },
}

function read(line: string): SaslStep {
  const response = readResponse(line)
  if ('failure' in response) return failed(response.failure)
  const [authzid, user, password, ...rest] = response.text.split('\0')
  if (!user || !password || rest.length > 0) return failed('malformed')
  // Acting for others is not offered; naming oneself is the same as naming nobody.
  if (authzid !== '' && authzid !== user) return failed('authorization')
  return { kind: 'credentials', user, password }
}
