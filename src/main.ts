#!/usr/bin/env node
/** argv → command → exit code. */
import { run } from './cli/commands.ts'

const line = (stream: NodeJS.WriteStream) => (text: string) => void stream.write(`${text}\n`)

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  out: line(process.stdout),
  err: line(process.stderr),
})
