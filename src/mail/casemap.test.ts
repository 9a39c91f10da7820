import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { casemap } from './casemap.ts'

const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

describe('casemap', () => {
  for (const [text, key] of [
    ['', ''],
    ['Hello, World', 'HELLO, WORLD'],
    ['éÉ', 'E\u0301E\u0301'],
    ['e\u0301', 'E\u0301'],
    // The example of RFC 5051 §2: a digraph's titlecase form, taken apart.
    ['\u01c4', 'Dz\u030c'],
    ['\u01c5', 'Dz\u030c'],
    ['\u01c6', 'Dz\u030c'],
    ['\u01f1', 'Dz'],
    ['ß', 'ß'],
    ['ﬁ', 'fi'],
    ['ǰ', 'j\u030c'],
    ['ŉ', 'ʼn'],
    ['ά', '\u0391\u0301'],
    ['ᾳ', '\u0391\u0345'],
    ['\u1f80', '\u0391\u0313\u0345'],
    ['ა', 'ა'],
    ['ﾊ', 'ハ'],
    ['각', '각'],
    ['①', '1'],
    ['𐐨', '𐐀'],
  ] as const)
    test(JSON.stringify(text), () => assert.equal(casemap(text), utf8(key)))

  test('keys sort by octets of UTF-8, not by code units', () => {
    const [high, low] = ['\u{1f600}', '\uff5e\uffff']
    assert.ok(high < '\uffff')
    assert.ok(casemap(high) > casemap('\uffff'))
    assert.ok(casemap(low) < casemap(high))
  })

  test('lone surrogates do no harm', () => assert.equal(casemap('a\ud800b'), utf8('A\ufffdB')))
})
