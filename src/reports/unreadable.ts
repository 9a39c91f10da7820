/** Why a report cannot be read, in words that complete "it could not be read: …" and are the same for all that have the same fault. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

/** Bounds on one message with reports. What is beyond is not read. */
export const READ_LIMITS = {
  /** Octets of the message. */
  message: 16 * 2 ** 20,
  /** Attachments that are looked at. */
  attachments: 8,
  /** Files in one zip. */
  entries: 10,
  /** Octets of one report, unpacked; of JSON, which is read whole. */
  unpacked: 64 * 2 ** 20,
  json: 4 * 2 ** 20,
  /** What is larger than this may be so many times as large as it was packed. */
  ratioFrom: 2 ** 20,
  ratio: 200,
  /** Elements of XML within each other. */
  depth: 32,
  records: 200_000,
  /** Different rows that are added up. */
  rows: 20_000,
  policies: 50,
  failures: 100,
  /** Reports in one message. */
  reports: 8,
} as const

export const mebibytes = (octets: number): string => `${octets / 2 ** 20} MiB`
