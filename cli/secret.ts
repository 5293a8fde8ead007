// Secrets come by a prompt that shows nothing, or by standard input: arguments stand in the list of processes and in the
// history of the shell.
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { CommandFailure } from './failure.ts'

/** The secret that somebody types twice, or the one line of standard input. */
export async function readSecret (name: string): Promise<string> {
  const line = process.stdin.isTTY ? await ask(name) : (await text(process.stdin)).replace(/\r?\n$/, '')
  if (line === '') throw new CommandFailure(`${name} is empty; type it, or give it by standard input`)
  if (/[\r\n]/.test(line)) throw new CommandFailure(`${name} has more than one line`)
  return line
}

async function ask (name: string): Promise<string> {
  const silent = new Writable({ write (_chunk, _encoding, done) { done() } })
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    process.stderr.write(`${name}: `)
    const line = await prompt.question('')
    process.stderr.write(`\n${name} again: `)
    const again = await prompt.question('')
    process.stderr.write('\n')
    if (line !== again) throw new CommandFailure('they are not the same')
    return line
  } finally {
    prompt.close()
  }
}
