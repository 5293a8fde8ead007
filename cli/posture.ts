// `gatehouse posture`: what a service declares, shown, kept, or compared with what was kept.
import { readFile, writeFile } from 'node:fs/promises'
import { withAppOf } from './app-module.ts'
import { CommandFailure } from './failure.ts'
import { coloured, show } from './output.ts'
import { comparePostures } from './posture-changes.ts'
import { lockfileOf, writePosture } from './posture-forms.ts'
import { withEmptyService } from './service.ts'
import type { Posture } from '../guards/posture.ts'
import type { Change } from './posture-change.ts'
import type { Form } from './posture-forms.ts'

interface Options {
  readonly json?: boolean
  readonly app?: string
  readonly form: Form
  readonly check?: boolean
  readonly update?: boolean
  readonly file: string
}

export async function posture (options: Options): Promise<void> {
  const found = options.app === undefined ? await withEmptyService(async (app) => app.posture()) : await withAppOf(options.app, async (app) => app.posture())
  if (options.check) await check(found, options)
  else if (options.update) await update(found, options)
  else process.stdout.write(writePosture(found, options.json ? 'json' : options.form))
}

async function check (found: Posture, { file, json = false }: Options): Promise<void> {
  const changes = comparePostures(await readLockfile(file), found)
  show(json, changes, () => changes.length === 0 ? `${file} is what the service declares` : told(changes))
  if (changes.length > 0) process.exitCode = 1
}

/** What changes is told here too: whoever updates has seen it. */
async function update (found: Posture, { file, json = false }: Options): Promise<void> {
  const changes = comparePostures(await readLockfile(file).catch(() => found), found)
  // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
  await writeFile(file, lockfileOf(found))
  show(json, changes, () => [...(changes.length === 0 ? [] : [told(changes)]), `${file} is written: ${String(found.routes.length)} routes`].join('\n'))
}

function told (changes: readonly Change[]): string {
  const lines = changes.map(({ effect, where, what, rule }) => `${coloured(effect)}  ${where}: ${what} (${rule})`)
  const count = (effect: Change['effect']): number => changes.filter((change) => change.effect === effect).length
  return [...lines, `${String(count('weaker'))} weaker, ${String(count('stronger'))} stronger, ${String(count('neutral'))} neutral; gatehouse posture --update records them`].join('\n')
}

async function readLockfile (file: string): Promise<Posture> {
  const text = await read(file)
  try {
    const kept = JSON.parse(text) as Partial<Posture> | null
    if (kept?.version === 1 && Array.isArray(kept.routes)) return kept as Posture
  } catch {
    throw new CommandFailure(`${file} is no JSON; gatehouse posture --update writes it anew`)
  }
  throw new CommandFailure(`${file} is no posture that this version reads; gatehouse posture --update writes it anew`)
}

async function read (file: string): Promise<string> {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read; gatehouse posture --update writes it`, { cause: error })
  }
}
