// The command as it is run: a process of its own, over stores of its own, with what it prints and how it ends.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import t from 'tap'
import { environmentFindings } from '../../cli/doctor-environment.ts'
import { fileFindings } from '../../cli/doctor-files.ts'
import { rules } from '../../cli/doctor-rules.ts'
import { exitCodeOf } from '../../cli/failure.ts'
import { createProgram } from '../../cli/program.ts'
import { verifyChain } from '../../credentials/audit-chain.ts'
import { buildServer } from '../fixtures/process.ts'
import { root } from '../fixtures/documents.ts'
import { selfSigned } from '../fixtures/certificate.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { Command } from 'commander'
import type { Test } from 'tap'
import type { ChainedRecord } from '../../credentials/audit-chain.ts'

interface Ended { code: number | null; stdout: string; stderr: string }
type Environment = Readonly<Record<string, string>>

const ESCAPE = '\u001b'
const password = 'a lamp beside the harbour'
const directory = t.testdir({ build: {} })
let command = ''
t.setTimeout(300_000)
t.before(async () => { command = join(await buildServer(join(directory, 'build')), '..', 'cli', 'gatehouse.js') })

/** Runs the command with this environment and nothing of ours. */
async function run (line: string | readonly string[], { environment = {}, input = '', within = [] }: { environment?: Environment; input?: string; within?: readonly string[] } = {}): Promise<Ended> {
  const words = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line
  const [program = process.execPath, ...rest] = [...within, process.execPath, command, ...words]
  const child = spawn(program, rest, { cwd: directory, env: { PATH: process.env['PATH'] ?? '', ...environment }, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined).end(input)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), buffer(child.stderr)])
  return { code: await ended, stdout, stderr: stderr.toString() }
}

/** What the parser alone does with it, in this process. */
async function parse (line: string): Promise<Ended> {
  const ended: Ended = { code: 0, stdout: '', stderr: '' }
  const listen = (command: Command): void => {
    command.configureOutput({ writeOut: (text) => { ended.stdout += text }, writeErr: (text) => { ended.stderr += text } })
    for (const inner of command.commands) listen(inner)
  }
  const program = createProgram()
  listen(program)
  try {
    await program.parseAsync(line.split(' ').filter((word) => word !== ''), { from: 'user' })
  } catch (error) {
    ended.code = exitCodeOf(error)
  }
  return ended
}

function assertFailure (t: Test, { code, stdout, stderr }: Ended, line: RegExp, exitCode = 1): void {
  t.equal(code, exitCode, stderr)
  t.equal(stdout, '')
  t.match(stderr, line)
  t.notMatch(stderr, / {4}at |hunter2/, 'no stack, no secret')
}

const development = (name: string): Environment => ({ NODE_ENV: 'development', DATA_DIR: join(directory, name) })
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what the caller expects of it
function json<T> ({ code, stdout, stderr }: Ended): T {
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as T
}

t.test('help and wrong use', async (t) => {
  const helps = ['--help', 'attack --help', 'posture --help', 'users --help', 'users create --help', 'migrate down --help']
  const wrong: [line: string, told: RegExp][] = [
    ['', /Usage: gatehouse/], ['nonsense', /unknown command 'nonsense'/], ['users', /Usage: gatehouse users/], ['users list --nonsense', /unknown option '--nonsense'/],
    ['users create alice', /required option '--email <address>' not specified/], ['users list --limit x', /It must be a whole number/],
    ['posture --form pdf', /Allowed choices are table, markdown, html, json/], ['posture --check --update', /cannot be used with/],
    ['users create alice --email a@example.com --password hunter2', /unknown option '--password'/]
  ]
  for (const line of helps) {
    await t.test(line, async (t) => {
      const { code, stdout, stderr } = await parse(line)
      t.strictSame([code, stderr], [0, ''])
      t.match(stdout, line === 'users --help' || line === '--help' ? /Commands:/ : /Examples:\n {2}gatehouse /)
    })
  }
  for (const [line, told] of wrong) await t.test(`'${line}' is exit code 2`, async (t) => { assertFailure(t, await parse(line), told, 2) })
  assertFailure(t, await run('users create alice --email a@example.com --password hunter2'), /unknown option '--password'/, 2)
  assertFailure(t, await run('migrate down'), /^gatehouse: migrate down loses .*; say --yes\n$/, 2)
})

t.test('accounts, keys, clients and tokens, over one store', async (t) => {
  const environment = development('kept')
  const made = json<{ id: string; roles: string[] }>(await run('users create alice --email alice@example.com --json', { environment, input: `${password}\n` }))
  t.match(made, { username: 'alice', roles: ['editor'], disabled: false })
  await t.test('users', async (t) => {
    const refused: [line: string | string[], input: string, told: RegExp][] = [
      ['users create alice --email alice@example.com', password, /^gatehouse: .*(?:taken|conflict)/i],
      ['users create bob --email nonsense', password, /^gatehouse: email must match format "email"\n$/],
      ['users create bob --email bob@example.com', 'hunter2', /^gatehouse: password must have at least 15 characters\n$/],
      ['users create bob --email bob@example.com', '', /^gatehouse: The password is empty/],
      ['users create bob --email bob@example.com', 'two\nlines', /^gatehouse: The password has more than one line\n$/],
      ['users create bob --email bob@example.com --role king', password, /^gatehouse: king is no role; there are viewer, editor, admin\n$/],
      ['users disable nobody', '', /^gatehouse: there is no user nobody\n$/]
    ]
    for (const [line, input, told] of refused) assertFailure(t, await run(line, { environment, input }), told)
    json(await run(['users', 'create', 'boss', '--email', 'boss@example.com', '--full-name', 'The Boss', '--role', 'admin', '--json'], { environment, input: password }))
    t.match(json(await run('users list --search boss --json', { environment })), { items: [{ username: 'boss', full_name: 'The Boss', roles: ['admin'] }] })
    const { stdout, stderr } = await run('users list --limit 1', { environment })
    t.match(stdout, /^id +username +email +roles +state +created\n[\w-]{36} +boss +boss@example\.com +admin +on .*\nmore: --cursor \S+\n$/)
    for (const sign of [ESCAPE, 'Opening']) t.notOk((stdout + stderr).includes(sign), 'colours and progress are for terminals')
  })
  await t.test('API keys, which never say more than their owner may', async (t) => {
    assertFailure(t, await run('api-keys create --user alice --name laptop --scope admin', { environment }), /^gatehouse: A key cannot have a scope that you do not have\.\n$/)
    const { key, id } = json<{ key: string; id: string }>(await run('api-keys create --user alice --name laptop --scope items:read --expires-in-days 7 --json', { environment }))
    t.match(key, new RegExp(`^gate_${id}_[0-9A-Za-z]{49}$`))
    t.strictSame(json(await run(`api-keys revoke ${id} --json`, { environment })), { id, revoked: true })
    assertFailure(t, await run(`api-keys revoke ${id}`, { environment }), /it has ended\n$/)
    assertFailure(t, await run('api-keys revoke nonsense!', { environment }), /^gatehouse: id must /)
  })
  await t.test('clients', async (t) => {
    const client = json<{ client_id: string; client_secret: string }>(await run('clients create --name import --grant client_credentials --scope items:read --json', { environment }))
    t.match(client, { client_id: /^client_/, client_secret: /^[\w-]{43}$/ })
    assertFailure(t, await run('clients create --name import --grant magic --scope items:read', { environment }), /^gatehouse: grants 0 must /)
    const { stdout } = await run('clients list', { environment })
    t.match(stdout, client.client_id)
    t.notOk(stdout.includes(client.client_secret), 'it is shown once')
  })
  await t.test('tokens and the keys that sign them', async (t) => {
    const { stdout: token } = await run('token mint --user alice --scope me items:read', { environment })
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object
    t.match(claims, { sub: made.id, scope: 'me items:read', client_id: 'demo' })
    assertFailure(t, await run('token mint --user alice --scope admin', { environment }), /^gatehouse: alice may not have the scope admin/)
    const keyFile = join(directory, 'kept', 'token-key')
    const production = { ...environment, NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: keyFile }
    assertFailure(t, await run('token mint --user alice', { environment: production }), /^gatehouse: token mint is for development/)
    const [before = { kid: '' }] = json<{ kid: string }[]>(await run('keys list --json', { environment: production }))
    const { kid } = json<{ kid: string }>(await run('keys rotate --no-overlap --json', { environment: production }))
    t.not(kid, before.kid)
    t.strictSame(json<{ kid: string }[]>(await run('keys list --json', { environment: production })).map((key) => key.kid), [kid], 'a key that leaked verifies no more')
  })
  await t.test('a disabled account', async (t) => {
    t.match(json(await run('users disable alice --json', { environment })), { username: 'alice', disabled: true })
    assertFailure(t, await run('token mint --user alice', { environment }), /^gatehouse: alice is disabled\n$/)
    assertFailure(t, await run('api-keys create --user alice --name x --scope items:read', { environment }), /^gatehouse: The account is disabled\n$/)
    json(await run('users create chief --email chief@example.com --role admin --json', { environment, input: password }))
    json(await run('users disable boss --json', { environment }))
    assertFailure(t, await run('users disable chief', { environment }), /^gatehouse: The last account with the role admin keeps it\.\n$/)
  })
})

t.test('the audit log: verified, written out, and compared with a checkpoint', async (t) => {
  const environment = development('audited')
  const file = join(directory, 'checkpoint.json')
  json(await run('users create alice --email alice@example.com --json', { environment, input: password }))
  t.match(json(await run('users unlock alice --json', { environment })), { username: 'alice', unlocked: true })
  const { verified, fault, unsealed } = json<{ verified: { seq: number }; fault: null; unsealed: object }>(await run('audit verify --json', { environment }))
  t.ok(verified.seq >= 3)
  t.equal(fault, null)
  t.type((unsealed as { count: number }).count, 'number')
  const { stdout } = await run('audit export', { environment })
  const records = stdout.trim().split('\n').map((line) => JSON.parse(line) as { seq: number; event: string })
  t.strictSame(records.map(({ seq }) => seq), records.map((_record, at) => at + 1))
  t.ok(records.some(({ event }) => event === 'user_created'))
  t.strictSame((await run('audit export --after 2', { environment })).stdout, stdout.split('\n').slice(2).join('\n'))
  await writeFile(file, (await run('audit export --checkpoint', { environment })).stdout)
  t.match(await run(['audit', 'verify', '--checkpoint', file], { environment }), { code: 0, stdout: /^\d+ records are as they were sealed, the last with \S+\n/ })

  const { DatabaseSync } = await import('@photostructure/sqlite')
  const edit = (statement: string): void => {
    const database = new DatabaseSync(join(directory, 'audited', 'gatehouse.sqlite'))
    database.exec(statement)
    database.close()
  }
  edit("update audit_events set outcome = 'failure' where seq = 2")
  const altered = await run(['audit', 'verify', '--checkpoint', file], { environment })
  t.equal(altered.code, 1)
  t.match(altered.stdout, /^error {2}record 2 \([\w-]{36}\) was altered\n1 records are as they were sealed, the last with /)
  edit('delete from audit_events where seq >= 2; update audit_chain set seq = 1, hash = (select hash from audit_events where seq = 1)')
  t.equal((await run('audit verify', { environment })).code, 0, 'a database that was rewritten whole looks right')
  t.match(await run(['audit', 'verify', '--checkpoint', file, '--json'], { environment }), { code: 1, stdout: /"kind": "missing"/ }, 'a checkpoint shows it')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"checkpoint":"ey', '"checkpoint":"eX'))
  assertFailure(t, await run(['audit', 'verify', '--checkpoint', file], { environment }), /checkpoint\.json is no checkpoint/)
})

t.test('R206 the audit log: its old end is written out, signed and removed', async (t) => {
  const environment = development('pruned')
  json(await run('users create alice --email alice@example.com --json', { environment, input: password }))
  const early = join(directory, 'early.json')
  await writeFile(early, (await run('audit export --checkpoint', { environment })).stdout)
  json(await run('users unlock alice --json', { environment }))
  const written = join(directory, 'audit-2026.jsonl')
  const prune = (...more: string[]) => run(['audit', 'prune', '--before', new Date().toISOString(), '--to', written, ...more], { environment })
  await writeFile(written, '')
  assertFailure(t, await prune(), /audit-2026\.jsonl cannot be made: it is there already/)
  await rm(written)
  const nothing = await run(['audit', 'prune', '--before', '2020-01-01', '--to', written], { environment })
  t.match(nothing, { code: 0, stdout: 'no sealed record is as old as that\n' })
  t.notOk(existsSync(written))
  t.equal((await run(['audit', 'prune', '--before', '2999-01-01', '--to', written], { environment })).code, 2, 'a date that is not over')
  t.equal((await run(['audit', 'prune', '--before', '2026-02-31', '--to', written], { environment })).code, 2, 'a date that is none')
  const { removed, through } = json<{ removed: number; through: { seq: number; hash: string } }>(await prune('--json'))
  t.equal(removed, through.seq)
  const kept = readFileSync(written, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as ChainedRecord)
  t.equal((await stat(written)).mode & 0o777, 0o600)
  t.match(await verifyChain(kept), { verified: through, fault: null }, 'R206 what was removed is in the file, as it was sealed')
  json(await run('users create bob --email bob@example.com --json', { environment, input: password }))
  const rest = (await run('audit export', { environment })).stdout.trim().split('\n').map((line) => JSON.parse(line) as ChainedRecord)
  t.equal(rest[0]?.seq, through.seq + 1)
  t.ok(rest.some(({ event }) => event === 'gatehouse_audit_pruned'))
  const verified = await run('audit verify', { environment })
  t.match(verified, { code: 0, stdout: `those up to ${String(through.seq)} were removed by gatehouse audit prune\n` })
  t.ok(verified.stdout.startsWith(`${String(rest.length)} records are as they were sealed`), verified.stdout)
  const { DatabaseSync } = await import('@photostructure/sqlite')
  const database = new DatabaseSync(join(directory, 'pruned', 'gatehouse.sqlite'))
  for (const seq of [through.seq, 1, 0, -5, -(2 ** 40)]) {
    database.prepare("insert into audit_events (id, event, outcome, details, seq, hash) values ('01900000-0000-7000-8000-000000000000', 'authn_login_success', 'success', '{}', ?, ?)").run(seq, through.hash)
    const report = await run('audit verify', { environment })
    t.match(report, { code: 1, stdout: `record ${String(seq)} (01900000-0000-7000-8000-000000000000) was inserted\nor a prune that was ended left it behind` }, `${String(seq)}: nothing stands where records were removed`)
    database.exec(`delete from audit_events where seq = ${String(seq)}`)
  }
  t.match(await run(['audit', 'verify', '--checkpoint', early], { environment }), { code: 0, stdout: /^the checkpoint is of record \d+, which was removed: it says nothing of what is left$/m })
  database.exec(`delete from audit_events where seq = ${String(through.seq + 1)}; update audit_pruning set seq = seq + 1`)
  t.match(await run('audit verify --json', { environment }), { code: 1, stdout: /"kind": "missing",\s+"seq": 1,/ }, 'whoever has no key cannot cut it')
  t.match(await run('audit verify', { environment }), { code: 1, stdout: `that those up to ${String(through.seq + 1)} were removed is not signed by the key of this service\n` })
  const { checkpoint } = json<{ checkpoint: string }>(await run('audit export --checkpoint', { environment }))
  const { seq, hash } = JSON.parse(Buffer.from(checkpoint.split('.')[1] ?? '', 'base64url').toString()) as { seq: number; hash: string }
  database.prepare('update audit_pruning set seq = ?, hash = ?, signature = ?').run(seq, hash, checkpoint)
  database.close()
  t.match(await run('audit verify --json', { environment }), { code: 1, stdout: /"kind": "missing"/ }, 'nor with a checkpoint, which anybody may have')
  await rm(written)
  assertFailure(t, await prune(), /record 1 is not as it was sealed: nothing is removed/)
  t.notOk(existsSync(written))
})

t.test('R206 the audit log: a file that has no room for the last record removes nothing', { skip: noServer || existsSync('/usr/bin/prlimit') ? noServer : 'no prlimit' }, async (t) => {
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  const environment = { ...development('full'), DATABASE_URL: url }
  for (const name of ['alice', 'bob']) json(await run(`users create ${name} --email ${name}@example.com --json`, { environment, input: password }))
  const { stdout } = await run('audit export', { environment })
  const prune = (file: string) => ['audit', 'prune', '--before', new Date().toISOString(), '--to', join(directory, file)]
  // Without what tap adds to a process of Node.js, which writes a file of its own.
  const within = ['env', '-u', 'NODE_OPTIONS', 'prlimit', `--fsize=${String(Buffer.byteLength(stdout) - 10)}`]
  assertFailure(t, await run(prune('half.jsonl'), { environment, within }), /EFBIG/)
  t.notOk(existsSync(join(directory, 'half.jsonl')))
  t.equal((await run('audit export', { environment })).stdout, stdout)
  t.match(await run(prune('whole.jsonl'), { environment }), { code: 0 })
  t.equal(readFileSync(join(directory, 'whole.jsonl'), 'utf8'), stdout)
})

t.test('migrations, up and down', async (t) => {
  const environment = development('migrated')
  const { applied } = json<{ applied: string[] }>(await run('migrate up --json', { environment }))
  t.ok(applied.length >= 12 && applied[0] === '0001_users')
  t.match(await run('migrate up', { environment }), { code: 0, stdout: 'the tables are up to date\n' })
  t.strictSame(json(await run('migrate down --yes --json', { environment })), { undone: applied.slice(-1) })
  t.strictSame(json(await run('migrate up --json', { environment })), { applied: applied.slice(-1) })
})

t.test('an environment that is wrong, and a store that does not answer', async (t) => {
  assertFailure(t, await run('users list'), /^gatehouse: PUBLIC_URL is required in production[^\n]*\n$/)
  assertFailure(t, await run('users list', { environment: { NODE_ENV: 'development', DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:9/x' } }), /^gatehouse: DATABASE_URL: .*ECONNREFUSED[^\n]*\n$/)
})

const demo = { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', DOCS: 'admin' }
const appOf = (guard: string): string => `
import Fastify from 'fastify'
import { apiKeyAuth } from '../build/plugins/api-key-auth.js'
export async function buildApp () {
  const app = Fastify()
  await app.register(apiKeyAuth, { verify: () => null })
  app.post('/items', { onRequest: ${guard} }, () => 'ok')
  return app
}
`

t.test('posture', async (t) => {
  await mkdir(join(directory, 'own'))
  const file = join(directory, 'own', 'app.js')
  const lockfile = join(directory, 'own', 'posture.json')
  await t.test('the lockfile of the repository is what the demo declares', async (t) => {
    const { code, stdout } = await run(['posture', '--check', '--file', join(root, 'posture.json')], { environment: demo })
    t.equal(code, 0, stdout)
    const kept = readFileSync(join(root, 'posture.json'), 'utf8')
    t.equal(kept, (await run('posture --json', { environment: demo })).stdout, 'sorted, and written by the command')
    t.notOk(existsSync(join(directory, '.data')), 'no store is made')
  })
  await t.test('changes are told, weaker is not passed over, and an update records them', async (t) => {
    await writeFile(file, appOf('app.apiKey'))
    assertFailure(t, await run(['posture', '--app', file, '--check', '--file', lockfile]), /posture\.json cannot be read/)
    t.match(await run(['posture', '--app', file, '--update', '--file', lockfile]), { code: 0, stdout: /is written: 1 routes\n$/ })
    t.match(await run(['posture', '--app', file, '--check', '--file', lockfile]), { code: 0 })
    await writeFile(file, appOf("app.publicAccess('for all')"))
    const checked = await run(['posture', '--app', file, '--check', '--file', lockfile])
    t.equal(checked.code, 1)
    t.match(checked.stdout, /^weaker {2}POST \/items: it is public, where it was guarded \(access\)$/m)
    t.match(checked.stdout, /^\d weaker, 0 stronger, 0 neutral; gatehouse posture --update records them$/m)
    const listed = await run(['posture', '--app', file, '--check', '--json', '--file', lockfile])
    t.match(JSON.parse(listed.stdout), [{ effect: 'weaker', where: 'POST /items' }])
    t.match(await run(['posture', '--app', file, '--update', '--file', lockfile]), { code: 0, stdout: /1 weaker|2 weaker/ })
    t.match(await run(['posture', '--app', file, '--check', '--file', lockfile]), { code: 0 })
    await writeFile(lockfile, '[]')
    assertFailure(t, await run(['posture', '--app', file, '--check', '--file', lockfile]), /is no posture that this version reads/)
    await writeFile(lockfile, '{')
    assertFailure(t, await run(['posture', '--app', file, '--check', '--file', lockfile]), /is no JSON/)
  })
  await t.test('forms', async (t) => {
    await writeFile(file, appOf("app.publicAccess('<b>for | all</b>')"))
    const form = async (name: string): Promise<string> => (await run(['posture', '--app', file, '--form', name])).stdout
    t.match(await form('table'), /^Routes\n {2}POST \/items {2}public: <b>for \| all<\/b> \| publicAccess \| body loose: there is no schema of the body\n\nSchemes\n {2}apiKey {2}header X-API-Key\n/)
    t.match(await form('markdown'), /^\| POST \/items \| public: \\<b\\>for \\\| all\\<\/b\\> \|/m)
    const page = await form('html')
    t.match(page, '<td>public: &lt;b&gt;for | all&lt;/b&gt;</td>')
    t.notMatch(page, /<b>|<script|src=|href=|https?:/, 'nothing is loaded, and nothing is markup that was text')
    t.match(page, /content="default-src 'none'; style-src 'sha256-[\w+/]{43}='"/)
  })
  await t.test('modules that hold no app', async (t) => {
    const rows: [name: string, content: string, told: RegExp][] = [
      ['empty.js', 'export const nothing = 1', /exports no app: export buildApp/],
      ['plain.js', "import Fastify from 'fastify'\nexport const app = Fastify()", /the app has no plugin of Gatehouse on its root/],
      ['bad.js', "throw new Error('it is broken')", /^gatehouse: it is broken\n$/],
      ['typed.ts', 'export const app: number = 1', /typed\.ts is TypeScript, which this Node\.js does not read: build it, or npm install --save-dev tsx/]
    ]
    for (const [name, content, told] of rows) {
      await writeFile(join(directory, 'own', name), content)
      const isRead = name.endsWith('.ts') && 'typescript' in process.features && process.features.typescript !== false
      assertFailure(t, await run(['posture', '--app', join(directory, 'own', name)]), isRead ? /exports no app/ : told)
    }
    assertFailure(t, await run(['posture', '--app', join(directory, 'own', 'nowhere.js')]), /nowhere\.js is not there/)
  })
  await t.test('TypeScript by the tsx of the project', async (t) => {
    const project = join(directory, 'own', 'project')
    await mkdir(join(project, 'node_modules', 'tsx'), { recursive: true })
    await writeFile(join(project, 'node_modules', 'tsx', 'package.json'), JSON.stringify({ name: 'tsx', type: 'module', exports: { './esm/api': './api.js' } }))
    // As tsx does it: a hook that hands out JavaScript.
    await writeFile(join(project, 'node_modules', 'tsx', 'api.js'), "import { register as hook } from 'node:module'\nexport const register = () => hook('./hook.js', import.meta.url)")
    await writeFile(join(project, 'node_modules', 'tsx', 'hook.js'), "import { readFile } from 'node:fs/promises'\nexport const load = async (url, context, next) => new URL(url).pathname.endsWith('.ts') ? { format: 'module', shortCircuit: true, source: (await readFile(new URL(url), 'utf8')).replace(': unknown', '') } : next(url, context)")
    await writeFile(join(project, 'app.ts'), `${appOf('app.apiKey').replaceAll('../build', '../../build')}export const typed: unknown = 1\n`)
    t.match(await run(['posture', '--app', join(project, 'app.ts')]), { code: 0, stdout: /POST \/items {2}guarded/ })
  })
})

t.test('doctor', async (t) => {
  const keyFile = join(directory, 'doctor-key')
  await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  await writeFile(join(directory, 'bad-key'), 'hunter2', { mode: 0o600 })
  await mkdir(join(directory, 'open'))
  await chmod(join(directory, 'open'), 0o755)
  await writeFile(join(directory, 'doctor-app.js'), appOf('[]').replaceAll('../build', './build').replace('{ verify', "{ in: 'query', name: 'key', verify"))
  const good = { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: keyFile, TRUSTED_PROXIES: '10.0.0.1', DATA_DIR: join(directory, 'none-yet') }
  const { cert, key } = await certificateFiles()
  const rows: [title: string, change: Environment, codes: string[]][] = [
    ['a good one', {}, []],
    ['development', { NODE_ENV: 'development' }, ['not-production']],
    ['a variable that is missing', { PUBLIC_URL: '' }, ['configuration']],
    ['a key file that is none', { TOKEN_KEY_FILE: join(directory, 'bad-key') }, ['token-key']],
    ['files of TLS that are not there', { TLS_CERT_FILE: join(directory, 'nowhere.pem'), TLS_KEY_FILE: keyFile }, ['certificate']],
    ['a certificate that ends soon', { TLS_CERT_FILE: cert, TLS_KEY_FILE: key }, ['certificate-ends']],
    ['a directory that is open', { DATA_DIR: join(directory, 'open') }, ['data-directory']],
    ['plain HTTP on the network', { HOST: '0.0.0.0', TRUSTED_PROXIES: '' }, ['plain-http']],
    ['a proxy that is not trusted', { TRUSTED_PROXIES: '' }, ['no-trusted-proxy']],
    ['an origin in plain HTTP', { CORS_ORIGINS: 'http://app.example.com' }, ['cors-plain-origin']],
    ['a database elsewhere', { DATABASE_URL: 'postgres://user:hunter2@db.example/x?sslmode=require' }, ['database-plain']],
    ['a database elsewhere, verified', { DATABASE_URL: 'postgres://user:hunter2@db.example/x?sslmode=verify-full' }, []],
    ['a database by a socket', { DATABASE_URL: 'postgres:///x?host=/run/postgresql' }, []],
    ['a log that is quiet', { LOG_LEVEL: 'error' }, ['quiet-log']],
    ['a password that stays', { ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'hunter2 hunter2 hunter2' }, ['password-in-environment']]
  ]
  const told = new Set<string>()
  for (const [title, change, codes] of rows) {
    await t.test(title, async (t) => {
      const environment = { ...good, ...change }
      const found = [...environmentFindings(environment), ...await fileFindings(environment)]
      t.strictSame(found.map(({ code }) => code), codes)
      t.ok(found.every(({ message }) => message !== '' && !message.includes('hunter2')))
      for (const name of codes) told.add(name)
    })
  }
  const { code, stdout, stderr } = await run('doctor --app doctor-app.js --json', { environment: good })
  const open = JSON.parse(stdout) as { code: string; docs: string }[]
  t.strictSame(open.map((finding) => finding.code), ['route-undeclared', 'headers-missing', 'credentials-in-query', 'body-loose'])
  t.ok(open.every((finding) => finding.docs === `docs/command.md#${finding.code}`))
  t.strictSame([code, stderr], [1, ''])
  for (const finding of open) told.add(finding.code)
  t.strictSame([...told].sort(), Object.keys(rules).sort(), 'every rule has a row here')
  t.match(await run('doctor', { environment: good }), { code: 0, stdout: 'nothing to mend\n' })
  t.match((await run('doctor', { environment: { ...good, LOG_LEVEL: 'silent' } })).stdout, /^warning {2}quiet-log: LOG_LEVEL is silent: .*\n {2}docs\/command\.md#quiet-log\n$/)
})

async function certificateFiles (): Promise<{ cert: string; key: string }> {
  const made = selfSigned('demo.example')
  const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
  await writeFile(files.cert, made.cert)
  await writeFile(files.key, made.key)
  return files
}

t.test('on a terminal the password is asked for twice and never shown, and NO_COLOR is heard', { skip: existsSync('/usr/bin/script') ? false : 'script is not installed' }, async (t) => {
  const environment = { ...development('terminal'), PATH: process.env['PATH'] ?? '' }
  const onTerminal = async (line: string, answers: readonly string[], more: Environment = {}): Promise<string> => {
    const child = spawn('script', ['-qec', `${process.execPath} ${command} ${line}`, '/dev/null'], { cwd: directory, env: { ...environment, TERM: 'xterm', ...more }, stdio: ['pipe', 'pipe', 'ignore'] })
    let shown = ''
    const waiting = [...answers]
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      shown += chunk
      if (/(?:password|again): $/.test(shown)) child.stdin.write(`${waiting.shift() ?? ''}\r`)
    })
    await new Promise((resolve) => child.on('close', resolve))
    return shown
  }
  const shown = await onTerminal('users create alice --email alice@example.com', [password, password])
  t.match(shown, /The password: [\s\S]*The password again: [\s\S]*Opening the service …[\s\S]*alice@example\.com/)
  t.notOk(shown.includes(password))
  t.match(await onTerminal('users create bob --email bob@example.com', [password, 'something else entirely']), /gatehouse: they are not the same/)
  t.ok((await onTerminal('doctor', [])).includes(`${ESCAPE}[31merror${ESCAPE}`))
  t.notOk((await onTerminal('doctor', [], { NO_COLOR: '1' })).includes(`${ESCAPE}[3`))
})

t.test('whoever reads a part of it has read enough', async (t) => {
  const child = spawn('bash', ['-c', `set -o pipefail; ${process.execPath} ${command} posture --json | head -c 1`], { cwd: directory, env: { PATH: process.env['PATH'] ?? '', ...demo }, stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise((resolve) => child.on('close', resolve))
  t.equal(await text(child.stdout), '{')
  t.equal(await text(child.stderr), '')
  t.equal(await code, 0)
  t.ok((await readFile(command, 'utf8')).startsWith('#!/usr/bin/env node\n'))
})
