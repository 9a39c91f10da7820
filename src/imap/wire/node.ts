/** The tokens of a command's arguments, as parse.ts makes them and read.ts reads them. */

/** Characters that need no quotes, one per octet: an atom, number, set, flag or list pattern. NIL is an atom like others here. */
export interface AtomNode {
  readonly kind: 'atom'
  readonly text: string
  /** `BODY[…]`: what stands within the brackets. */
  readonly section?: readonly Node[]
  /** `<0.100>` behind the brackets: one or two numbers. */
  readonly partial?: readonly number[]
}

export interface StringNode {
  readonly kind: 'string'
  readonly form: 'quoted' | 'literal' | 'literal8'
  readonly octets: Buffer
}

export interface ListNode {
  readonly kind: 'list'
  readonly items: readonly Node[]
}

export type Node = AtomNode | StringNode | ListNode
