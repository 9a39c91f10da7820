/** Mail with text like people's, for measuring searches: words follow each other as they do in what is written about the packages here, lengths and headers vary as in a mailbox of years. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'

/** Whole numbers below n, the same for the same seed. */
export function numbers(seed: number): (n: number) => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** Stands in one message of PLANTED_EVERY. */
export const PLANTED = 'zebrafinch'
const PLANTED_EVERY = 5_000

const words = globSync(['docs/*.md', 'node_modules/*/*.md', 'node_modules/@*/*/*.md'])
  .toSorted()
  .flatMap((file) =>
    readFileSync(file, 'utf8')
      .replace(/```[\s\S]*?```|https?:\S+|[|*`#<>[\]()_{}=/\\]+/g, ' ')
      .split(/\s+/)
      .filter((word) => word.length > 0 && word.length < 25),
  )
/** Where each word is followed by what. */
const after = new Map<string, number[]>()
words.forEach((word, i) => {
  const list = after.get(word)
  if (list) list.push(i + 1)
  else after.set(word, [i + 1])
})

function prose(random: (n: number) => number, length: number): string {
  let out = ''
  let line = ''
  let at = random(words.length)
  for (let n = 0; out.length + line.length < length; n++) {
    const word = words[at] ?? words[0]!
    line += `${word} `
    if (line.length > 70) {
      out += `${line.trimEnd()}\r\n`
      line = ''
    }
    const next = after.get(word)!
    at = n % 12 === 11 ? random(words.length) : next[random(next.length)]!
  }
  return `${out}${line}\r\n`
}

function noise(length: number, seed: string): string {
  let out = ''
  for (let i = 0; out.length < length; i++) out += createHash('sha512').update(`${seed}${i}`).digest('base64').replace(/=/g, '')
  return out.slice(0, length)
}

const FIRST =
  'Anna Ben Carla David Emma Felix Grace Hugo Ines Jonas Klara Liam Maria Noah Olga Paul Quentin Rosa Simon Tara Ulrich Vera Walter Xenia Yusuf Zoe'.split(
    ' ',
  )
const LAST = 'Schmidt Jones Garcia Novak Okafor Petersen Rossi Tanaka Weber Young Dupont Eriksson Fischer Gruber Horvat Ivanov'.split(' ')
const DOMAINS = ['example.com', 'mail.example.net', 'corp.example', 'shop.example.org']

function person(random: (n: number) => number): string {
  const [first, last] = [FIRST[random(FIRST.length)]!, LAST[random(LAST.length)]!]
  return `"${first} ${last}" <${first.toLowerCase()}.${last.toLowerCase()}@${DOMAINS[random(DOMAINS.length)]}>`
}

const folded = (text: string): string => text.match(/.{1,70}/g)!.join('\r\n        ')

/** Message number n, 13 KB on average: short notes, letters in two forms, and one newsletter of 10. */
export function letter(n: number): Buffer {
  const random = numbers(n + 1)
  const sort = random(10)
  const date = new Date(1_600_000_000_000 + n * 600_000).toUTCString().replace('GMT', '+0000')
  const id = (of: number) => `<${noise(22, `id${of}`).replace(/[+/]/g, 'x')}@mail.example.net>`
  const head = [
    `Return-Path: <bounce-${n}@shop.example.org>`,
    `Received: from mx${random(9)}.example.net (mx${random(9)}.example.net [192.0.2.${random(250)}])\r\n by mx.example.org with ESMTPS id ${noise(16, `r${n}`)}; ${date}`,
    `Received: by 2001:db8:${random(9999)} with SMTP id ${noise(24, `s${n}`)}; ${date}`,
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=mail;\r\n        h=from:to:subject:date; bh=${noise(43, `bh${n}`)}=;\r\n        b=${folded(noise(342, `d${n}`))}==`,
    ...(sort < 6
      ? [
          `ARC-Seal: i=1; a=rsa-sha256; t=${random(1e9)}; cv=none; d=relay.example; s=arc;\r\n        b=${folded(noise(342, `as${n}`))}==`,
          `ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=relay.example;\r\n        b=${folded(noise(342, `am${n}`))}==`,
        ]
      : []),
    `Authentication-Results: mx.example.org; dkim=pass header.d=example.net; spf=pass smtp.mailfrom=bounce-${n}@shop.example.org`,
    `From: ${person(random)}`,
    'To: "Reader" <reader@example.org>',
    ...(random(3) === 0 ? [`Cc: ${person(random)}, ${person(random)}`] : []),
    `Subject: ${random(3) === 0 ? 'Re: ' : ''}${prose(random, 30 + random(40))
      .replaceAll('\r\n', ' ')
      .trim()}`,
    `Date: ${date}`,
    `Message-ID: ${id(n)}`,
    ...(random(2) === 0 ? [`In-Reply-To: ${id(n - 3)}`] : []),
    'MIME-Version: 1.0',
  ]
  const length = sort < 6 ? 400 + random(2600) : sort < 9 ? 3000 + random(6000) : 12_000 + random(20_000)
  const text = `${n % PLANTED_EVERY === 17 ? `${PLANTED} ` : ''}${prose(random, length)}`
  if (sort < 3) return Buffer.from([...head, 'Content-Type: text/plain; charset=utf-8', '', text].join('\r\n'))
  const boundary = `=_${noise(20, `b${n}`).replace(/[+/]/g, 'x')}`
  const html = text
    .split('\r\n')
    .map((line, i) => {
      if (i % 4 === 0) return `<p style="margin:0 0 10px 0;font-size:14px;color:#333333">${line}`
      return i % 9 === 3 ? `${line}<a href="https://click.example.net/${noise(60, `u${n}${i}`)}">here</a>` : line
    })
    .join('\r\n')
  return Buffer.from(
    [
      ...head,
      `Content-Type: multipart/alternative; boundary="${boundary}"`,
      '',
      `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}`,
      `--${boundary}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>\r\n${html}</body></html>\r\n`,
      `--${boundary}--\r\n`,
    ].join('\r\n'),
  )
}
