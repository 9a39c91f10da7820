/** The set-up page with names that are meant to break it, read by Python's HTML parser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountPage, startPage } from '../../src/http/setup/page.ts'
import { DEFAULT_POP3 } from '../../src/store/pop3-policy.ts'
import { missing, succeed } from '../support/programs.ts'
import { HOSTILE_LOCALS, reachOf } from '../support/reach.ts'

const skip = missing('python3')
/** Each page's tags with the names of their attributes, and all of its texts and values together. */
const READ = `
import html.parser, json, sys
class Reader(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        self.tags.append([tag, sorted(name for name, value in attributes)])
        self.texts += [value for name, value in attributes if value]
    def handle_endtag(self, tag): self.tags.append(['/' + tag])
    def handle_comment(self, text): self.tags.append(['comment', text])
    def handle_decl(self, text): self.tags.append(['declaration', text])
    def handle_data(self, text): self.texts.append(text)
for line in sys.stdin:
    reader = Reader(convert_charrefs=True)
    reader.tags, reader.texts = [], []
    reader.feed(json.loads(line))
    reader.close()
    print(json.dumps([reader.tags, reader.texts]))
`

async function read(pages: readonly string[]): Promise<[tags: unknown[], texts: string[]][]> {
  const { out } = await succeed('python3', ['-c', READ], { input: pages.map((page) => `${JSON.stringify(page)}\n`).join('') })
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as [unknown[], string[]])
}

const HOSTILE = [
  ...HOSTILE_LOCALS,
  '</title><script>x</script>',
  '</style><b>',
  '"><input name="x',
  "' onfocus='x",
  '&lt;b&gt;',
  '\u202egnirts',
  '-->',
  '<![CDATA[',
]

test('hostile names add no element and no attribute, and are shown as they are', { skip }, async () => {
  const pageOf = (name: string) => [
    accountPage(reachOf(), { address: `${name}@example.org`, app: name, pop3: { ...DEFAULT_POP3, folder: name } }),
    startPage({ ...reachOf(), hostname: name }, { kind: 'invalid', address: name }),
  ]
  const [account, start, ...hostile] = await read(['plain', ...HOSTILE].flatMap(pageOf))
  assert.ok(account![0].length > 100 && start![0].length > 50)
  for (const [i, name] of HOSTILE.entries()) {
    const [[accountTags, accountTexts], [startTags, startTexts]] = [hostile[2 * i]!, hostile[2 * i + 1]!]
    assert.deepEqual(accountTags, account![0], name)
    assert.deepEqual(startTags, start![0], name)
    assert.ok(accountTexts.join('').includes(`“${name}”`), name)
    assert.ok(startTexts.includes(name), name)
  }
})
