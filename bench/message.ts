/** The mail that the bench sends: what a newsletter or a colleague sends, about 5 KB with 1.9 KB of headers, each message different, lines ended by CRLF. */

const PEOPLE = ['Ann Example', 'Börje Ström', 'Chinwe Okafor', 'Dana Novak', 'Emre Yıldız', 'Fern O’Neill', 'Gil Tavares', 'Hana Sato'] as const
const SYLLABLES = 'an ber con da ed for gen hal in jo ka lon men nor op per qui re sta ter un ver wor xi yes zon ing ous ment tion'.split(' ')
/** Enough different words that prose compresses about as real prose does. */
const WORDS = Array.from({ length: 1500 }, (_, i) =>
  [i * 7, i * 13 + 5, i * 29 + (i >> 5)]
    .slice(0, 1 + (i % 3))
    .map((s) => SYLLABLES[s % SYLLABLES.length])
    .join(''),
)
/** RFC 2047 for a display name that is not ASCII. */
const person = (n: number): string => {
  const name = PEOPLE[n % PEOPLE.length]!
  const written = /^[\x20-\x7e]+$/.test(name) ? `"${name}"` : `=?utf-8?B?${Buffer.from(name).toString('base64')}?=`
  return `${written} <user${n % 97}@sender${n % 13}.example>`
}

/** A generator of numbers that gives the same ones for the same seed. */
function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
}

const hex = (next: () => number, length: number): string => {
  let out = ''
  while (out.length < length) out += next().toString(16).padStart(6, '0')
  return out.slice(0, length)
}

const prose = (next: () => number, length: number): string => {
  let out = ''
  let line = ''
  while (out.length < length) {
    line += `${WORDS[next() % WORDS.length]} `
    if (line.length > 68) {
      out += `${line.trimEnd()}\r\n`
      line = ''
    }
  }
  return out
}

/** Message number `n`; no line of it begins with a dot. */
export function message(n: number): Buffer {
  const next = numbers(n)
  const boundary = `=_part_${hex(next, 24)}`
  const signature = Buffer.from(hex(next, 344)).toString('base64')
  const date = new Date(1_735_689_600_000 + n * 61_000).toUTCString().replace('GMT', '+0000')
  const folded = signature.match(/.{1,72}/g)!.join('\r\n        ')
  const head = [
    `X-Feedback: ${hex(next, 12)}.sender${n % 13}.example`,
    `Received: from relay${n % 7}.sender.example (relay${n % 7}.sender.example [192.0.2.${n % 250}])`,
    `        by mx.example.org with ESMTPS id ${hex(next, 16)}; ${date}`,
    `Received: from [198.51.100.${n % 250}] by relay${n % 7}.sender.example with ESMTPSA id ${hex(next, 12)}; ${date}`,
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender${n % 13}.example; s=mail;`,
    '        h=from:to:subject:date:message-id:mime-version:content-type;',
    `        b=${folded}`,
    `Date: ${date}`,
    `From: ${person(n)}`,
    `To: "Reader ${n % 11}" <reader@example.org>, ${person(n + 3)}`,
    `Cc: ${person(n + 1)}, ${person(n + 2)}`,
    `Subject: Re: ${prose(next, 40).split('\r\n')[0]!.slice(0, 50)} #${n}`,
    `Message-ID: <${n}.${hex(next, 20)}@sender${n % 13}.example>`,
    `In-Reply-To: <${n - 1}.${hex(next, 20)}@sender${n % 13}.example>`,
    `References: <${n - 2}.${hex(next, 20)}@sender${n % 13}.example>`,
    ` <${n - 1}.${hex(next, 20)}@sender${n % 13}.example>`,
    `List-Unsubscribe: <https://lists.sender${n % 13}.example/u/${hex(next, 32)}>`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
    `X-Mailer: Sender ${n % 9}.${n % 5}`,
  ].join('\r\n')
  const plain = prose(next, 1200)
  const html = `<html><body>\r\n<p>${prose(next, 1650)}</p>\r\n</body></html>\r\n`
  const text = [
    `${head}\r\n`,
    'A message in two forms.',
    `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${plain}`,
    `--${boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${html}`,
    `--${boundary}--\r\n`,
  ].join('\r\n')
  return Buffer.from(text)
}

/** Flags as they lie in a mailbox that is read: most seen, some answered or flagged, some with a keyword. */
export function flagsOf(n: number): string {
  const flags = []
  if (n % 10 < 8) flags.push('\\Seen')
  if (n % 25 === 0) flags.push('\\Flagged')
  if (n % 5 === 1) flags.push('$Forwarded')
  return flags.join(' ')
}
