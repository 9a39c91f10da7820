/** What the public web service answers mail programs, read by XML readers that we did not write. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { autoconfig } from '../../src/http/setup/autoconfig.ts'
import { autodiscover } from '../../src/http/setup/autodiscover.ts'
import { escaped } from '../../src/http/setup/escape.ts'
import type { Reach } from '../../src/http/setup/reach.ts'
import { missing, succeed } from '../support/programs.ts'
import { HOSTILE_LOCALS, reachOf } from '../support/reach.ts'

const skip = missing('xmllint', 'python3')
/** Reads documents, each on a line as JSON, and prints texts by path. */
const READ = `
import json, sys
import xml.etree.ElementTree as tree
def texts(element, path):
    path = path + '/' + element.tag.rsplit('}', 1)[-1]
    yield [path, element.text]
    for child in element: yield from texts(child, path)
for line in sys.stdin: print(json.dumps(list(texts(tree.fromstring(json.loads(line).encode()), ''))))
`

async function textsOf(documents: readonly string[]): Promise<[path: string, text: string | null][][]> {
  for (const xml of documents) await succeed('xmllint', ['--noout', '--nonet', '-'], { input: xml })
  const { out } = await succeed('python3', ['-c', READ], { input: documents.map((xml) => `${JSON.stringify(xml)}\n`).join('') })
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as [string, string | null][])
}

test('autoconfig is XML, with hostile names too', { skip }, async () => {
  const hostile: Reach = { ...reachOf(), hostname: '"/><x>&amp;\ud800\u0000' }
  const [plain, strange] = await textsOf([autoconfig(reachOf(), 'example.org')!, autoconfig(hostile, 'xn--bcher-kva.example')!])
  const at = (texts: typeof plain, name: string) => texts!.filter(([path]) => path.endsWith(name)).map(([, text]) => text)
  assert.deepEqual(at(plain, '/incomingServer/port'), ['993', '995', '110'])
  assert.deepEqual([...new Set(at(plain, '/username'))], ['%EMAILADDRESS%'])
  assert.deepEqual([...new Set(at(strange, '/hostname'))], ['"/><x>&amp;\ufffd\ufffd'])
  assert.deepEqual(at(strange, '/displayName'), ['bücher.example'])
})

test('Autodiscover is XML, and says the user name that was asked for', { skip }, async () => {
  const addresses = HOSTILE_LOCALS.map((local) => `${local}@example.org`)
  const answers = addresses.map((address) =>
    autodiscover(reachOf(), `<Autodiscover><Request><EMailAddress>${escaped(address)}</EMailAddress></Request></Autodiscover>`, new Date(0)),
  )
  const read = await textsOf([...answers, autodiscover(reachOf(), '<', new Date(0))])
  for (const [i, address] of addresses.entries()) {
    const names = read[i]!.filter(([path]) => path.endsWith('/LoginName')).map(([, text]) => text)
    assert.deepEqual(names, [address, address, address])
  }
  assert.ok(read.at(-1)!.some(([path, text]) => path === '/Autodiscover/Response/Error/ErrorCode' && text === '600'))
})
