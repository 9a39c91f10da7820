/** Why the server does not start, or a command does not do what was asked: one sentence for people, no stack. */
export class Refused extends Error {
  override readonly name = 'Refused'
}
