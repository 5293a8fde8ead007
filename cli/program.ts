// The command line, as people see it: every command with its options and examples. What a command does is imported when it runs.
import { Command, InvalidArgumentError, Option } from 'commander'
import { attackKinds } from '../testing/attack/types.ts'
import { forms } from './posture-forms.ts'
import type { AttackKind } from '../testing/attack/types.ts'

interface Leaf {
  readonly what: string
  readonly examples: readonly string[]
}

/** The program, ready to parse; it throws instead of ending the process. */
export function createProgram (): Command {
  const program = new Command('gatehouse')
    .description('What a Fastify service with Gatehouse declares of its security, and the accounts, clients and keys of the demo.')
    .exitOverride()
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', '\nThe service is configured by the environment, as `npm start` is; without NODE_ENV it is in production.\nExit codes: 0 done, 1 found something or failed, 2 asked wrongly, or nothing to attack.')
  addPosture(program)
  addAttack(program)
  addAudit(program)
  addKeys(program)
  addUsers(program)
  addClients(program)
  addApiKeys(program)
  addToken(program)
  addMigrations(program)
  leaf(program, 'doctor', { what: 'Judge the configuration by the rules of production', examples: ['gatehouse doctor', 'gatehouse doctor --app ./dist/app.js --json'] })
    .option('--app <file>', 'a module with an app of yours, whose posture is judged too')
    .action(async (options: { json?: boolean; app?: string }) => { await (await import('./doctor.ts')).doctor(options) })
  return program
}

function group (program: Command, name: string, what: string): Command {
  return program.command(name).description(what)
}

function leaf (parent: Command, name: string, { what, examples }: Leaf): Command {
  return parent.command(name).description(what).option('--json', 'JSON instead of text')
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`)
}

function addPosture (program: Command): void {
  leaf(program, 'posture', {
    what: 'Tell what every route requires, or compare it with a lockfile',
    examples: ['gatehouse posture', 'gatehouse posture --app ./dist/app.js --form html > posture.html', 'gatehouse posture --check', 'gatehouse posture --update']
  })
    .option('--app <file>', 'a module that exports an app, or buildApp, which makes one', undefined)
    .addOption(new Option('--form <form>', 'how it is shown').choices(forms).default('table').conflicts(['check', 'update']))
    .addOption(new Option('--check', 'compare it with the lockfile; exit code 1 for any change').conflicts('update'))
    .option('--update', 'write the lockfile')
    .option('--file <file>', 'the lockfile', 'posture.json')
    .action(async (options: { json?: boolean; app?: string; form: typeof forms[number]; check?: boolean; update?: boolean; file: string }) => { await (await import('./posture.ts')).posture(options) })
}

function addAttack (program: Command): void {
  leaf(program, 'attack', {
    what: 'Try on a running service what its OpenAPI document says must be refused',
    examples: ['gatehouse attack http://127.0.0.1:3000', 'gatehouse attack http://127.0.0.1:3000 --credentials credentials.json --sarif attack.sarif', 'gatehouse attack https://staging.example --allow-remote --document openapi.json --credentials env:ATTACK_CREDENTIALS --rate 10']
  })
    .argument('<url>', 'where it is; a path stands before that of each request')
    .option('--document <place>', 'file or URL of the document; /openapi.json or /docs/json of the service unless given')
    .option('--credentials <source>', 'a file of credentials, env:NAME, or - for standard input; never the credentials themselves')
    .option('--rate <number>', 'requests a second at most', positiveNumber, 50)
    .option('--wait <seconds>', 'the longest Retry-After that is waited for, where the service limits requests', wholeNumber, 0)
    .addOption(new Option('--kinds <kind...>', 'only these kinds of attempts').choices(attackKinds))
    .option('--writes', 'also good requests that may write; they are the last')
    .option('--allow-remote', 'the URL is not of this machine, and you may attack it')
    .option('--sarif <file>', 'write what was found as SARIF 2.1.0 too')
    .action(async (url: string, options: { json?: boolean; document?: string; credentials?: string; rate: number; wait: number; kinds?: AttackKind[]; writes?: boolean; allowRemote?: boolean; sarif?: string }) => { await (await import('./attack.ts')).attack(url, options) })
}

function addAudit (program: Command): void {
  const audit = group(program, 'audit', 'The audit log')
  leaf(audit, 'verify', { what: 'Find the first record that was altered, removed or inserted', examples: ['gatehouse audit verify', 'gatehouse audit verify --checkpoint checkpoint.json --json'] })
    .option('--checkpoint <file>', 'what `audit export --checkpoint` wrote, and was kept elsewhere')
    .action(async (options: { json?: boolean; checkpoint?: string }) => { await (await import('./audit.ts')).verifyAudit(options) })
  leaf(audit, 'export', { what: 'Write the sealed records, one JSON object a line', examples: ['gatehouse audit export > audit.jsonl', 'gatehouse audit export --after 12000 >> audit.jsonl', 'gatehouse audit export --checkpoint > checkpoint.json'] })
    .option('--after <number>', 'only records behind this one', wholeNumber, 0)
    .option('--checkpoint', 'where the chain stands, signed, instead of the records')
    .action(async (options: { after: number; checkpoint?: boolean }) => { await (await import('./audit.ts')).exportAudit(options) })
  leaf(audit, 'prune', { what: 'Write the oldest sealed records to a file and remove them; the chain goes on', examples: ['gatehouse audit prune --before 2026-01-01 --to audit-2025.jsonl'] })
    .requiredOption('--before <date>', 'only what happened before, such as 2026-01-01 or 2026-01-01T12:00:00Z', pastDate)
    .requiredOption('--to <file>', 'where they go, one JSON object a line; it must not be there yet')
    .action(async (options: { json?: boolean; before: Date; to: string }) => { await (await import('./audit-prune.ts')).pruneAudit(options) })
}

function addKeys (program: Command): void {
  const keys = group(program, 'keys', 'The keys that sign access tokens')
  leaf(keys, 'list', { what: 'List the keys that still verify, newest first', examples: ['gatehouse keys list'] })
    .action(async (options: { json?: boolean }) => { await (await import('./keys.ts')).listKeys(options) })
  leaf(keys, 'rotate', { what: 'Make a new key, which signs as soon as everybody can know it', examples: ['gatehouse keys rotate', 'gatehouse keys rotate --no-overlap'] })
    .option('--no-overlap', 'the old keys leaked: they verify no more, and the new one signs at once')
    .action(async (options: { json?: boolean; overlap: boolean }) => { await (await import('./keys.ts')).rotateKeys(options) })
}

const page = (command: Command): Command => command.option('--limit <number>', 'how many at most, 100 at most', wholeNumber, 20).option('--cursor <cursor>', 'the `next` of the page before')

function addUsers (program: Command): void {
  const users = group(program, 'users', 'Accounts')
  leaf(users, 'create', {
    what: 'Make an account; its password is asked for, or read from standard input',
    examples: ['gatehouse users create alice --email alice@example.com', 'gatehouse users create boss --email boss@example.com --role admin < password-file']
  })
    .argument('<username>')
    .requiredOption('--email <address>', 'where to write to')
    .option('--full-name <name>', 'as people write it')
    .option('--role <name...>', 'its roles; editor unless others are given')
    .action(async (username: string, options: { json?: boolean; email: string; fullName?: string; role?: string[] }) => { await (await import('./users.ts')).createUser(username, options) })
  leaf(users, 'disable', { what: 'Turn an account off: its logins, tokens and keys end', examples: ['gatehouse users disable alice'] })
    .argument('<username>')
    .action(async (username: string, options: { json?: boolean }) => { await (await import('./users.ts')).disableUser(username, options) })
  leaf(users, 'unlock', { what: 'Forget the failed logins of an account', examples: ['gatehouse users unlock alice'] })
    .argument('<username>')
    .action(async (username: string, options: { json?: boolean }) => { await (await import('./users.ts')).unlockUser(username, options) })
  page(leaf(users, 'list', { what: 'List accounts, newest first', examples: ['gatehouse users list', 'gatehouse users list --search alice --json'] }))
    .option('--search <text>', 'only what has this text in name, e-mail or full name')
    .action(async (options: { json?: boolean; limit: number; cursor?: string; search?: string }) => { await (await import('./users.ts')).listUsers(options) })
}

function addClients (program: Command): void {
  const clients = group(program, 'clients', 'Client applications')
  leaf(clients, 'create', { what: 'Make a client; its secret is shown once', examples: ['gatehouse clients create --name "nightly import" --grant client_credentials --scope items:read'] })
    .requiredOption('--name <name>', 'what people call it')
    .requiredOption('--grant <grant...>', 'client_credentials, refresh_token or password')
    .requiredOption('--scope <scope...>', 'what it may have')
    .action(async (options: { json?: boolean; name: string; grant: string[]; scope: string[] }) => { await (await import('./clients.ts')).createClient(options) })
  page(leaf(clients, 'list', { what: 'List clients, newest first', examples: ['gatehouse clients list'] }))
    .action(async (options: { json?: boolean; limit: number; cursor?: string }) => { await (await import('./clients.ts')).listClients(options) })
}

function addApiKeys (program: Command): void {
  const keys = group(program, 'api-keys', 'API keys')
  leaf(keys, 'create', { what: 'Make a key for a user; it is shown once', examples: ['gatehouse api-keys create --user alice --name laptop --scope items:read'] })
    .requiredOption('--user <username>', 'whose key it is')
    .requiredOption('--name <name>', 'what it is for')
    .requiredOption('--scope <scope...>', 'what it may do, at most what its owner may')
    .option('--expires-in-days <number>', 'when it ends', wholeNumber)
    .action(async (options: { json?: boolean; user: string; name: string; scope: string[]; expiresInDays?: number }) => { await (await import('./api-keys.ts')).createKey(options) })
  leaf(keys, 'revoke', { what: 'End a key, named by the 12 characters behind its prefix', examples: ['gatehouse api-keys revoke 4fZk2mQp9XaB'] })
    .argument('<id>')
    .action(async (id: string, options: { json?: boolean }) => { await (await import('./api-keys.ts')).revokeKey(id, options) })
}

function addToken (program: Command): void {
  const token = group(program, 'token', 'Access tokens')
  leaf(token, 'mint', { what: 'Sign a token for a user, in development only', examples: ['TOKEN=$(NODE_ENV=development gatehouse token mint --user alice)'] })
    .requiredOption('--user <username>', 'whom it speaks for')
    .option('--scope <scope...>', 'what it allows; all that the user may unless given')
    .action(async (options: { json?: boolean; user: string; scope?: string[] }) => { await (await import('./token.ts')).mintToken(options) })
}

function addMigrations (program: Command): void {
  const migrations = group(program, 'migrate', 'The tables of the database')
  leaf(migrations, 'up', { what: 'Bring the tables up to date', examples: ['gatehouse migrate up'] })
    .action(async (options: { json?: boolean }) => { await (await import('./migrate.ts')).migrateUp(options) })
  leaf(migrations, 'down', { what: 'Take the newest migration back, with the data that it holds', examples: ['gatehouse migrate down --yes'] })
    .option('--yes', 'what the newest tables and columns hold may be lost')
    .action(async (options: { json?: boolean; yes?: boolean }) => { await (await import('./migrate.ts')).migrateDown(options) })
}

function wholeNumber (text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function pastDate (text: string): Date {
  const date = new Date(text)
  const isWhole = /^\d{4}-\d\d-\d\d$/.test(text) || /^\d{4}-\d\d-\d\dT[\d:.]{8,12}Z$/.test(text)
  if (!isWhole || Number.isNaN(date.getTime()) || date.getTime() > Date.now() || !date.toISOString().startsWith(text.slice(0, 10))) throw new InvalidArgumentError('It must be a date that is over, such as 2026-01-01.')
  return date
}

function positiveNumber (text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.')
  return Number(text)
}
