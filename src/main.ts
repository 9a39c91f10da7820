#!/usr/bin/env node
/** argv → command → exit code. */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Stripping types and compiling is half of a short command's time. Kept beside the code, with its owner: in a shared temporary folder it would be anybody's.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/postern', import.meta.url)))
const { run } = await import('./cli/commands.ts')

const line = (stream: NodeJS.WriteStream) => (text: string) => void stream.write(`${text}\n`)

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  out: line(process.stdout),
  err: line(process.stderr),
})
