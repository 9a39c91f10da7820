/** Array parameters in Postgres's binary form. pg sends a Buffer as it is, so 10,000 values cost one copy and no text. */

const OID = { int4: 23, int8: 20, bytea: 17 } as const
const HEAD = 20

function head(out: Buffer, oid: number, length: number): number {
  out.writeInt32BE(1, 0)
  out.writeInt32BE(0, 4)
  out.writeInt32BE(oid, 8)
  out.writeInt32BE(length, 12)
  out.writeInt32BE(1, 16)
  return HEAD
}

/** int8[]; numbers must be safe integers. */
export function int8Array(values: ArrayLike<number | bigint> & Iterable<number | bigint>): Buffer {
  const out = Buffer.allocUnsafe(HEAD + values.length * 12)
  let at = head(out, OID.int8, values.length)
  for (const value of values) {
    at = out.writeInt32BE(8, at)
    if (typeof value === 'bigint') at = out.writeBigInt64BE(value, at)
    else {
      at = out.writeInt32BE(Math.floor(value / 2 ** 32), at)
      at = out.writeUInt32BE(value >>> 0, at)
    }
  }
  return out
}

/** int8[] of bit masks, given as their upper and lower halves. */
export function int8Halves(hi: Uint32Array, lo: Uint32Array): Buffer {
  const out = Buffer.allocUnsafe(HEAD + hi.length * 12)
  let at = head(out, OID.int8, hi.length)
  for (let i = 0; i < hi.length; i++) at = out.writeUInt32BE(lo[i]!, out.writeUInt32BE(hi[i]!, out.writeInt32BE(8, at)))
  return out
}

export function int4Array(values: ArrayLike<number> & Iterable<number>): Buffer {
  const out = Buffer.allocUnsafe(HEAD + values.length * 8)
  let at = head(out, OID.int4, values.length)
  for (const value of values) at = out.writeInt32BE(value, out.writeInt32BE(4, at))
  return out
}

export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const out = Buffer.allocUnsafe(HEAD + values.reduce((sum, value) => sum + 4 + value.length, 0))
  let at = head(out, OID.bytea, values.length)
  for (const value of values) {
    at = out.writeInt32BE(value.length, at)
    out.set(value, at)
    at += value.length
  }
  return out
}
