/** Who was told to come again, and who did. RFC 6647. */

/** Times in seconds. */
export interface GreylistRules {
  /** From the first try on, what comes is too early. */
  readonly delay: number
  /** And from here on it counts as a first try again. */
  readonly window: number
  /** What passed is known for so long after the last time. */
  readonly remember: number
  /** A client that passed in so many different hours is known, whatever it brings; 0: none ever is. */
  readonly trustAfter: number
}

export interface Letter {
  /** Under which it is known whether it came before. */
  readonly client: string
  /** Who brings it, by another name; trust in either counts. */
  readonly network: string
  readonly from: string
  readonly to: string
}

/** `waits`: it is to come again in so many seconds. full: it is not known, and there is no room to note that. */
export type Greeting = { readonly is: 'trusted' | 'passed' | 'full' } | { readonly is: 'early'; readonly waits: number }

/** Of one client. What it brings beyond is one letter, whoever it is from or to: a list server that writes to thousands has to get through too. */
export const MAX_LETTERS_OF_CLIENT = 1_000
/** Of all, and what comes in a minute: what is not known beyond it passes. */
export const MAX_LETTERS = 500_000

export interface Greylist {
  /** One statement. */
  greet(letter: Letter, rules: GreylistRules): Promise<Greeting>
}
