/** The oldest release as an image: its sources, today's Dockerfile. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../support/programs.ts'
import { copyTree, project } from './compose.ts'
import type { Engine } from './engine.ts'

/** Resolves to the release's name and the image's. */
export async function loadOldest(engine: Engine, tree: string): Promise<{ release: string; image: string }> {
  const { release, commit } = await oldest()
  await copyTree(tree, commit)
  const image = 'postern:oldest'
  await project({ engine, tree, name: 'upgrade', image }).compose(['build', 'postern'])
  return { release, image }
}

/** The first tag; in a clone without tags the commit that it had. */
async function oldest(): Promise<{ release: string; commit: string }> {
  const tags = (await run('git', ['tag', '-l', 'v*', '--sort=v:refname'])).out.trim().split('\n')
  if (tags[0]) return { release: tags[0], commit: tags[0] }
  const [release, commit] = readFileSync(join(import.meta.dirname, 'oldest-release.txt'), 'utf8')
    .trim()
    .split(' ') as [string, string]
  if ((await run('git', ['cat-file', '-e', `${commit}^{commit}`])).code !== 0)
    throw new Error(`the clone has neither tags nor the commit of ${release} (${commit}): fetch them, "git fetch --tags --unshallow"`)
  return { release, commit }
}
