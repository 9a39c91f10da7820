/** A command as a user who owns nothing: `node as-nobody.ts ARGUMENTS…`, by root. All is loaded before, since the sources may lie where that user may not go. */
import { allCommands, run } from '../../src/cli/commands.ts'
import '../../src/cli/uidl/import-uidl.ts'

const NOBODY = 65_534

await allCommands()
process.setgroups!([])
process.setgid!(NOBODY)
process.setuid!(NOBODY)
process.exitCode = await run(process.argv.slice(2), {
  env: {},
  cwd: '/',
  stdin: process.stdin,
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
})
