#!/usr/bin/env node
// The process of the command. Exit codes: 0 it is done, 1 it found something or failed, 2 it was asked wrongly.
import { CommanderError } from 'commander'
import { exitCodeOf, lineOf } from './failure.ts'
import { createProgram } from './program.ts'

// Whoever reads a part of a long answer, as `head` does, has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => { process.exit(error.code === 'EPIPE' ? 0 : 1) })

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  process.exitCode = exitCodeOf(error)
  // What Commander has to say it has said.
  if (!(error instanceof CommanderError)) process.stderr.write(`gatehouse: ${lineOf(error)}\n`)
}
