/** What the book says against what is there: where each message is, with which flags. Pure. */
import type { Ledger } from '../../support/ledger.ts'
import type { Tally } from '../../support/tally.ts'
import { type Act, type Book, type Deed, FLAG_OF, type Letter, leaves } from './book.ts'
import type { Rule } from './rules.ts'

/** One message somewhere. */
export interface Found {
  readonly box: string
  readonly flags: readonly string[]
}

/** By token. */
export type Finds = ReadonlyMap<string, readonly Found[]>

const NOWHERE = ''

/** What came of commands that nobody had an answer to. */
export type Doubt = 'done' | 'undone' | 'unknown'

/** Of each deed in doubt, what it came to. */
export function judgeBook(book: Book, finds: Finds, tally: Tally<Rule>): Doubt[] {
  for (const letter of book.letters.values()) judgeLetter(book, { letter, found: finds.get(letter.message.token) ?? [] }, tally)
  return book.deeds.flatMap((deed) => {
    const came = judgeDeed(book, { deed, finds }, tally)
    return deed.acts.length > 0 && (deed.outcome === 'doubt' || deed.isDoomed) ? [came] : []
  })
}

interface Where {
  readonly letter: Letter
  readonly found: readonly Found[]
}

/** It is in one of the places that somebody may have put it into. */
function judgeLetter(book: Book, { letter, found }: Where, tally: Tally<Rule>): void {
  const { token } = letter.message
  tally.check('once', found.length <= 1, () => `${token} is in ${found.map(({ box }) => box)}`)
  const places = placesOf(book, letter)
  const box = found[0]?.box ?? NOWHERE
  const story = () => book.storyOf(token)
  const name = box === letter.home ? 'stays' : 'alone'
  tally.check(name, places.has(box), () => `${token}, which came to ${letter.home} (${letter.arrived}), is ${box || 'nowhere'}: ${story()}`)
  for (const [kind, flag] of Object.entries(FLAG_OF)) {
    const asked = book.deeds.some(({ outcome, acts }) => outcome !== 'refused' && acts.some((act) => act.kind === kind && act.token === token))
    tally.check('alone', asked || found[0]?.flags.includes(flag) !== true, () => `${token} has ${flag}, and nobody asked for it: ${story()}`)
  }
}

/** Where it may be, with what is in doubt. */
export function placesOf({ deeds }: Book, { message, home, arrived }: Letter): Set<string> {
  if (arrived === 'refused') return new Set([NOWHERE])
  const taking = deeds.filter(({ outcome, acts }) => outcome !== 'refused' && acts.some((act) => act.token === message.token && leaves(act)))
  const places = new Set<string>()
  if (!taking.some(({ outcome }) => outcome === 'done')) places.add(home)
  if (arrived === 'doubt') places.add(NOWHERE)
  for (const { acts } of taking)
    for (const act of acts) if (act.token === message.token && leaves(act)) places.add(act.kind === 'move' ? act.to : NOWHERE)
  return places
}

/** All of it, where it was acknowledged; nothing, where it was refused; one of both in doubt. What others may have done as well says nothing. */
function judgeDeed(book: Book, { deed, finds }: { deed: Deed; finds: Finds }, tally: Tally<Rule>): Doubt {
  const { outcome, acts, by } = deed
  const states = acts.map((act) => ({ act, is: stateOf(book, { deed, act, found: finds.get(act.token)?.[0] }) }))
  const done = states.filter(({ is }) => is === 'done').map(({ act }) => act)
  const undone = states.filter(({ is }) => is === 'undone').map(({ act }) => act)
  const words = (of: readonly Act[]) => of.map(({ kind, token }) => `${kind} ${token} (${book.storyOf(token)})`).join(', ')
  if (outcome === 'done') tally.check('stays', undone.length === 0, () => `${by} was told that it is done, and it is not: ${words(undone)}`)
  else if (outcome === 'refused') tally.check('alone', done.length === 0, () => `${by} was refused, and it is done: ${words(done)}`)
  else tally.check('whole', done.length === 0 || undone.length === 0, () => `of ${by} is done: ${words(done)}; and is not: ${words(undone)}`)
  return done.length > 0 ? 'done' : undone.length > 0 ? 'undone' : 'unknown'
}

interface Asked {
  readonly deed: Deed
  readonly act: Act
  readonly found: Found | undefined
}

function stateOf(book: Book, { deed, act, found }: Asked): Doubt {
  const { token, kind } = act
  const others = book.deeds
    .filter((one) => one !== deed && one.outcome !== 'refused')
    .flatMap(({ acts }) => acts.filter((one) => one.token === token))
  const { home, arrived } = book.letters.get(token)!
  // What nobody was told of may have had no time to be there.
  if (arrived !== 'done' && !found) return 'unknown'
  if (kind === 'gone' || kind === 'move') {
    if (found?.box === home) return 'undone'
    const goal = kind === 'move' ? act.to : undefined
    if (found?.box !== goal) return 'unknown'
    return others.some((one) => leaves(one) && (one.kind === 'move' ? one.to : undefined) === goal) ? 'unknown' : 'done'
  }
  if (!found) return 'unknown'
  if (found.flags.includes(FLAG_OF[kind])) return others.some((one) => one.kind === kind) ? 'unknown' : 'done'
  // It may have been taken away before.
  return others.some(leaves) ? 'unknown' : 'undone'
}

/** The ledger of all runs gets what this book came to. */
export function enter(ledger: Ledger, user: string, book: Book): void {
  for (const letter of book.letters.values()) {
    const { token } = letter.message
    const places = placesOf(book, letter)
    const came = ledger.intend(user, token, 1)
    if (letter.arrived === 'done') came.done()
    if (letter.arrived === 'refused') came.refused()
    if (letter.arrived === 'refused' || !places.has(NOWHERE)) continue
    if (letter.arrived === 'doubt' && places.size > 1 && ![...places].some((place) => place !== NOWHERE && place !== letter.home)) continue
    const went = ledger.intend(user, token, -1)
    if (places.size === 1) went.done()
  }
}
