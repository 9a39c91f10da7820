/** docs/protocols.md, as the table of RFCs makes it. */
import { RFCS, type RfcStatus } from '../../src/rfc/index.ts'

const STATUS: Readonly<Record<RfcStatus, string>> = { full: 'yes', part: 'in part', words: 'words only' }

/** docs/protocols.md. */
export function protocolsPage(): string {
  const rows = RFCS.map((r) => {
    const offers = [...(r.imap ?? []), ...(r.pop3 ?? []), ...(r.smtp ?? [])].map((name) => `\`${name}\``).join(' ')
    return `| ${r.number} | ${r.title} | ${STATUS[r.status]} | ${r.does.replaceAll('|', '\\|')} | ${offers} |`
  })
  return [
    '# Protocols',
    '',
    'Made of `src/rfc/`; change that, then run `UPDATE=1 npm test -- protocols`.',
    '',
    '| RFC | Title | Done | What of it | Announced as |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
