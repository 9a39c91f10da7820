/** Text as searches compare it. */

/** Composed and without case, so that `É` is `e` with an accent however it was typed (RFC 9051 §6.4.4: no case). */
export const canonical = (text: string): string => text.normalize('NFC').toLowerCase()
