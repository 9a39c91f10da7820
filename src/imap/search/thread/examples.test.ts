import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { threads } from '../../../../test/support/threads.ts'
import { orderedSubject } from './ordered-subject.ts'
import { byReferences } from './references.ts'

describe('the examples of RFC 5256', () => {
  /** §4: the responses to A283 and A285, which are about the same messages: by their order in time, their subjects, and who answers whom. */
  test('THREAD ORDEREDSUBJECT and REFERENCES', async () => {
    const bySubject =
      '(166)(167)(168)(169)(172)(170)(171)(173)(174 (175)(176)(178)(181)(180))(179)(177 (183)(182)(188)(184)(185)(186)(187)(189))(190)(191)(192)(193)(194 195)(196 (197)(198))(199)(200 202)(201)(203)(204)(205)(206 207)(208)'
    const byReference =
      '(166)(167)(168)(169)(172)((170)(179))(171)(173)((174)(175)(176)(178)(181)(180))((177)(183)(182)(188 (184)(189))(185 186)(187))(190)(191)(192)(193)((194)(195 196))(197 198)(199)(200 202)(201)(203)(204)(205 206 207)(208)'
    const inTime = bySubject.match(/[0-9]+/g)!.map(Number)
    const subjects = new Map<number, string>()
    for (const thread of bySubject.match(/\(([0-9]+(?: [0-9]+| \([0-9]+\)(?:\([0-9]+\))*)?)\)/g)!) {
      const members = thread.match(/[0-9]+/g)!.map(Number)
      for (const member of members) subjects.set(member, `about ${members[0]}`)
    }
    const answers = new Map([
      [170, 'gone'],
      [179, 'gone'],
      [184, '188'],
      [189, '188'],
      [186, '185'],
      [196, '195'],
      [198, '197'],
      [202, '200'],
      [206, '205'],
      [207, '206'],
    ])
    const mails = Array.from({ length: 43 }, (_, i) => {
      const msn = i + 166
      const to = answers.get(msn)
      return { id: `${msn}`, subject: subjects.get(msn)!, at: inTime.indexOf(msn), ...(to && { refs: [to] }) }
    })
    const numbered = (text: string): string => text.replace(/[0-9]+/g, (n) => `${Number(n) + 165}`)
    assert.equal(numbered(await threads(mails, orderedSubject)), `* THREAD ${bySubject}`)
    assert.equal(numbered(await threads(mails, byReferences)), `* THREAD ${byReference}`)
  })

  test('the response', async () => {
    const parents = new Map([
      [6, 3],
      [4, 6],
      [23, 4],
      [44, 6],
      [7, 44],
      [96, 7],
    ])
    const shown = [2, 3, 6, 4, 23, 44, 7, 96]
    const mails = Array.from({ length: 96 }, (_, i) => {
      const msn = i + 1
      const parent = parents.get(msn)
      return { id: `m${msn}`, at: shown.includes(msn) ? shown.indexOf(msn) : 100 + i, ...(parent && { refs: [`m${parent}`] }) }
    })
    assert.ok((await threads(mails, byReferences)).startsWith('* THREAD (2)(3 6 (4 23)(44 7 96))(1)(5)(8)'))
  })
})
