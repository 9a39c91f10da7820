/** Servers as set-up answers see them, and names that hold what HTML and XML must not. */
import type { PublicService, Reach } from '../../src/http/setup/reach.ts'

export const ALL_PORTS: Readonly<Record<PublicService, number>> = {
  mx: 25,
  submission: 587,
  submissions: 465,
  imaps: 993,
  pop3s: 995,
  pop3: 110,
  https: 443,
}

export const reachOf = (
  ports: Partial<Record<PublicService, number>> = ALL_PORTS,
  domains: readonly string[] = ['example.org', 'xn--bcher-kva.example'],
): Reach => ({
  hostname: 'mail.example.org',
  domains,
  ports: new Map(Object.entries(ports) as [PublicService, number][]),
})

/** Each is a canonical local part, or becomes one. */
export const HOSTILE_LOCALS = [
  '"<script>alert(1)</script>"',
  '"\\"><b>"',
  "o'neil&amp",
  '"]]>"',
  '%emailaddress%',
  'jörg',
  '"a\\\\b c"',
  '{{7*7}}',
  '`x`',
  '"&#0;<!--"',
]
