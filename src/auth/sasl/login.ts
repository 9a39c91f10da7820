/** SASL LOGIN: user name and password as two responses. Never a standard (draft-murchison-sasl-login); Outlook speaks it. */
import { failed, type SaslMechanism, type SaslStep } from './mechanism.ts'
import { readResponse, writeChallenge } from './response.ts'

// client: Outlook wants exactly these two texts.
const ASK_USER = writeChallenge('Username:')
const ASK_PASSWORD = writeChallenge('Password:')

export const login: SaslMechanism = {
  name: 'LOGIN',
  begin(initial) {
    let user: string | undefined

    function next(line: string): SaslStep {
      const response = readResponse(line)
      if ('failure' in response) return failed(response.failure)
      if (response.text === '') return failed('malformed')
      if (user !== undefined) return { kind: 'credentials', user, password: response.text }
      user = response.text
      return { kind: 'challenge', line: ASK_PASSWORD }
    }

    // client: Outlook may send the user name with the command.
    const step: SaslStep = initial === undefined || initial === '=' ? { kind: 'challenge', line: ASK_USER } : next(initial)
    return { step, exchange: { next } }
  },
}
