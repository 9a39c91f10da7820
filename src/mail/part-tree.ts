/** The parts of a message while its bytes go by: opened at delimiters and headers, closed at delimiters and the end. Fed by structure.ts. */
import type { Described } from './bodystructure.ts'
import { Delimiters } from './delimiters.ts'
import { describeEntity, EMPTY_TEXT, type Entity, OPAQUE } from './entity.ts'
import { MAX_HEADER_BYTES } from './header.ts'
import type { PartPlace } from './parts.ts'
import { WireBudget } from './wire.ts'

/** Multiparts and messages within each other. */
export const MAX_DEPTH = 50
/** Parts, multiparts and messages counted too; all after them is one opaque part. */
export const MAX_PARTS = 1000
/** Bytes of a part's header that are looked at. */
export const MAX_PART_HEADER_BYTES = 64 * 1024

/** A place in the message and the number of line ends before it. */
export interface Edge {
  readonly at: number
  readonly lines: number
}

export class Node implements Described {
  /** Its place among the nodes, and its parent's. */
  readonly index: number
  readonly parent: number
  readonly children: Node[] = []
  readonly headerFrom: number
  entity: Entity = OPAQUE
  bodyFrom: number
  bodyTo: number
  /** Line ends in the body; before the body while the node is open. */
  lines = 0

  constructor(index: number, parent: number, headerFrom: number) {
    this.index = index
    this.parent = parent
    this.headerFrom = headerFrom
    this.bodyFrom = headerFrom
    this.bodyTo = headerFrom
  }

  get size(): number {
    return this.bodyTo - this.bodyFrom
  }

  get needsLines(): boolean {
    return this.entity.kind === 'message' || this.entity.media !== 'other'
  }

  get place(): PartPlace {
    const { parent, headerFrom, bodyFrom, bodyTo } = this
    const { kind, media, encoding } = this.entity
    return { parent, headerFrom, bodyFrom, bodyTo, kind, media, encoding }
  }
}

export class PartTree {
  /** In document order; a node's parent stands before it. */
  readonly nodes: Node[] = []
  /** Of the multiparts whose parts are being read. */
  readonly delimiters = new Delimiters<Node>()
  /** The message's own header, once it is complete. */
  top: Buffer | undefined
  topTooBig = false
  readonly #open: Node[] = []
  readonly #header = new HeaderBuffer()
  readonly #budget = new WireBudget()
  #inHeader = false
  #counting = 0

  constructor() {
    this.#begin(undefined, 0)
  }

  /** The innermost open node's header is still being read. */
  get inHeader(): boolean {
    return this.#inHeader
  }

  /** Somebody open wants to know the number of line ends. */
  get countsLines(): boolean {
    return this.#counting > 0
  }

  /** More bytes of the header being read. */
  addHeader(bytes: Buffer, from: number, to: number): void {
    this.#header.add(bytes, from, to)
  }

  /** The header ends there; what follows is the body, or the header of a message in this message. */
  endHeader(body: Edge): void {
    const node = this.#open.at(-1)!
    const parent = this.nodes[node.parent]
    const block = this.#header.block()
    if (!this.top) {
      this.topTooBig = this.#header.cut
      this.top = Buffer.from(this.topTooBig ? block.subarray(0, block.lastIndexOf(10) + 1) : block)
    }
    this.#inHeader = false
    const mayNest = this.#open.length <= MAX_DEPTH && this.nodes.length < MAX_PARTS
    const context = { message: parent?.entity.kind !== 'multipart', inDigest: parent?.entity.digest === true, mayNest }
    this.#enter(node, describeEntity(block, context, this.#budget), body)
    if (node.entity.kind === 'multipart') this.delimiters.add(`--${node.entity.boundary}`, node)
    else if (node.entity.kind === 'message') this.#begin(node, body.at)
  }

  /**
   * A delimiter line was met: what is inside its multipart ends at `end`, before the line end that belongs to the line, or, what has no body
   * there, at the line's start. Then a part begins behind the line, unless it was the closing one.
   */
  delimiter(multipart: Node, line: { readonly end: Edge; readonly start: Edge; readonly next: Edge; readonly closing: boolean }): void {
    this.#close(multipart, line.end, line.start)
    this.delimiters.leave(multipart, line.closing)
    if (line.closing) return
    if (this.nodes.length < MAX_PARTS) this.#begin(multipart, line.next.at)
    else this.#rest(multipart, line.next)
  }

  /** The message ends there. */
  end(edge: Edge): void {
    this.#close(undefined, edge, edge)
  }

  #begin(parent: Node | undefined, at: number): Node {
    const node = new Node(this.nodes.length, parent ? parent.index : -1, at)
    this.nodes.push(node)
    parent?.children.push(node)
    this.#open.push(node)
    this.#inHeader = true
    this.#header.clear(parent ? MAX_PART_HEADER_BYTES : MAX_HEADER_BYTES)
    return node
  }

  #enter(node: Node, entity: Entity, body: Edge): void {
    node.entity = entity
    node.bodyFrom = body.at
    node.lines = body.lines
    if (node.needsLines) this.#counting++
  }

  /** Too many parts: all that is left is one, and nothing ends it. */
  #rest(parent: Node, from: Edge): void {
    const node = this.#begin(parent, from.at)
    this.#inHeader = false
    this.#enter(node, OPAQUE, from)
    this.delimiters.clear()
  }

  /** Closes what is open inside `outer` (or all): a node whose header or body begins behind `end` ends at `start`, and so do those around it. */
  #close(outer: Node | undefined, end: Edge, start: Edge): void {
    while (this.#inHeader) this.endHeader(this.#open.at(-1)!.headerFrom > end.at ? start : end)
    let edge = end
    for (let node = this.#open.at(-1); node && node !== outer; node = this.#open.at(-1)) {
      if (node.bodyFrom > edge.at) edge = start
      if (node.needsLines) this.#counting--
      node.bodyTo = edge.at
      node.lines = edge.lines - node.lines
      if (node.entity.kind === 'multipart' && node.children.length === 0) this.#addEmpty(node)
      this.#open.pop()
    }
  }

  #addEmpty(multipart: Node): void {
    const node = new Node(this.nodes.length, multipart.index, multipart.bodyTo)
    node.entity = EMPTY_TEXT
    this.nodes.push(node)
    multipart.children.push(node)
  }
}

/** Collects one header at a time, up to a limit. */
class HeaderBuffer {
  #bytes = Buffer.allocUnsafe(2048)
  #length = 0
  #limit = 0
  /** More came than the limit allows. */
  cut = false

  clear(limit: number): void {
    this.#length = 0
    this.#limit = limit
    this.cut = false
  }

  add(bytes: Buffer, from: number, to: number): void {
    const end = Math.min(to, from + this.#limit - this.#length)
    if (end < to) this.cut = true
    const length = this.#length + end - from
    if (length > this.#bytes.length) {
      const wider = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(length, 2 * this.#bytes.length)))
      this.#bytes.copy(wider, 0, 0, this.#length)
      this.#bytes = wider
    }
    bytes.copy(this.#bytes, this.#length, from, end)
    this.#length = length
  }

  /** Valid until the next `clear`. */
  block(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}
