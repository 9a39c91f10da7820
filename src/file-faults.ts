/** What went wrong with a file or a folder, in words that complete "FILE cannot be read: …". */

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it is not there'],
  ['EACCES', 'this user may not'],
  ['EPERM', 'this user may not'],
  ['EEXIST', 'it is there already'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'something on the way to it is no folder'],
  ['ENOTEMPTY', 'it is a folder with something in it'],
  ['ENAMETOOLONG', 'its name is too long'],
  ['ELOOP', 'links lead in circles'],
  ['ENOSPC', 'its disk is full'],
  ['EDQUOT', 'this user has no room left on its disk'],
  ['EFBIG', 'it would be too large for its disk'],
  ['EROFS', 'its disk may only be read'],
  ['EIO', 'its disk has a fault'],
  ['EMFILE', 'this process has too many files open'],
  ['ENFILE', 'this machine has too many files open'],
])

const codeOf = (err: unknown): string => (err instanceof Error && 'code' in err && typeof err.code === 'string' ? err.code : '')

export const faultOf = (err: unknown): string => WORDS.get(codeOf(err)) ?? (err instanceof Error ? err.message : String(err))

/** What says nothing of its file but is certainly about one. */
const ON_OPEN_FILES = new Set(['read', 'write', 'fsync', 'ftruncate'])

/** Of an error that nobody put into words, the file and what is wrong with it; undefined: it is about no file. */
export function fileFault(err: unknown): string | undefined {
  const words = WORDS.get(codeOf(err))
  if (words === undefined || !(err instanceof Error)) return undefined
  const { path, syscall = '' } = err as NodeJS.ErrnoException
  if (path !== undefined) return `${path}: ${words}`
  return ON_OPEN_FILES.has(syscall) ? `a file cannot be used: ${words}` : undefined
}
