// examples/deploy as it is: the unit before systemd's own judges, nginx in front of the demo in production.
import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readConfiguration } from '../../config.ts'
import { openSqlite } from '../../stores/sqlite.ts'
import { fencesOf, readDocument, root } from '../fixtures/documents.ts'
import { assertFlows, signUp } from '../fixtures/flows.ts'
import { HOST, noNginx, startNginx } from '../fixtures/nginx.ts'
import { buildServer, spawnServer, startServer } from '../fixtures/process.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { Test } from 'tap'
import type { Running } from '../fixtures/process.ts'

const directory = t.testdir({ build: {}, data: {}, nginx: {}, strict: {}, rolling: {}, units: {} })
const administrator = { username: 'root', password: 'a lamp beside the harbour' }
const keyFile = join(directory, 'token-key')
writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
let server = ''
t.setTimeout(300_000)
t.before(async () => { server = await buildServer(join(directory, 'build')) })

const environment = {
  NODE_ENV: 'production', PUBLIC_URL: `https://${HOST}`, TRUSTED_PROXIES: '127.0.0.1', DOCS: 'admin', TOKEN_KEY_FILE: keyFile,
  ADMIN_USERNAME: administrator.username, ADMIN_PASSWORD: administrator.password
}

async function start (t: Test, more: Record<string, string> = {}): Promise<Running> {
  const running = await startServer(server, { ...environment, DATA_DIR: join(directory, 'data', randomBytes(4).toString('hex')), ...more })
  t.teardown(() => running.child.kill('SIGKILL'))
  return running
}

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

t.test('the unit passes systemd-analyze, and gives the service little to reach', { skip: hasSystemd ? false : 'systemd is not installed' }, async (t) => {
  const units = join(root, 'examples/deploy/systemd')
  const text = readFileSync(join(units, 'gatehouse@.service'), 'utf8')
  const unit = join(directory, 'units/gatehouse@3001.service')
  // It looks whether the program is there.
  writeFileSync(unit, text.replaceAll('/opt/gatehouse/current', directory).replace('/usr/bin/node', process.execPath))
  const dropIn = readFileSync(join(units, 'gatehouse@.service.d/tls.conf'), 'utf8')
  mkdirSync(join(directory, 'units/gatehouse@3002.service.d'))
  writeFileSync(join(directory, 'units/gatehouse@3002.service'), readFileSync(unit))
  writeFileSync(join(directory, 'units/gatehouse@3002.service.d/tls.conf'), dropIn)
  for (const port of ['3001', '3002']) {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(directory, `units/gatehouse@${port}.service`)], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    t.equal(stderr, '', 'nothing that systemd does not know')
  }
  const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=15', unit], { encoding: 'utf8' })
  t.equal(security.status, 0, security.stdout.split('\n').filter((line) => !line.startsWith('✓')).join('\n'))
  const set = (name: string): string[] => [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)
  const [, milliseconds = ''] = /CLOSE_TIMEOUT_MILLISECONDS = ([\d_]+)/.exec(readFileSync(join(root, 'server.ts'), 'utf8')) ?? []
  t.ok(Number(set('TimeoutStopSec')[0]) * 1000 > Number(milliseconds.replaceAll('_', '')), 'systemd waits longer than the service does')
  t.ok(set('Environment').includes('TOKEN_KEY_FILE=%d/token-key') && set('LoadCredential')[0]?.startsWith('token-key:'))
  t.notMatch(text + dropIn, /^Environment=.*(PASSWORD|DATABASE_URL|REDIS_URL)/m, 'no secret in a unit, which everybody may read')
  t.notMatch(text, /^ExecReload/m, 'without TLS the process ends by SIGHUP')
  t.match(dropIn, /^ExecReload=.*-HUP \$MAINPID$/m)
})

t.test('deploy.md: its commands put every file where the unit and nginx look for it', async (t) => {
  const folder = join(directory, 'machine')
  const [build, install, replace, ...more] = fencesOf(readDocument('docs/deploy.md'), 'sh')
  t.equal(build?.code, 'cd /opt/gatehouse/1.0.0 && npm ci --ignore-scripts && npm run build\nln -sfn /opt/gatehouse/1.0.0 /opt/gatehouse/current\n')
  t.equal(replace?.code, 'for port in 3001 3002; do examples/deploy/replace-process.sh "$port"; done\n', 'tried below')
  t.strictSame(more, [])
  for (const path of ['programs', 'etc/systemd/system', 'etc/nginx/conf.d', 'etc/nginx/sites-enabled', 'etc/ssl']) mkdirSync(join(folder, path), { recursive: true })
  for (const program of ['apt-get', 'systemctl', 'nginx']) writeFileSync(join(folder, 'programs', program), '#!/bin/sh\n', { mode: 0o755 })
  const { status, stderr } = spawnSync('sh', ['-euc', String(install?.code).replaceAll(' /etc/', ` ${folder}/etc/`)], { cwd: root, encoding: 'utf8', env: { PATH: `${folder}/programs:${String(process.env['PATH'])}` } })
  t.equal(status, 0, stderr)
  for (const [name, mode] of Object.entries({
    'gatehouse/token-key': 0o600, 'gatehouse/environment': 0o600, 'systemd/system/gatehouse@.service': 0o644, 'nginx/conf.d/gatehouse.conf': 0o644, 'nginx/gatehouse-upstream.conf': 0o644
  })) t.equal(statSync(join(folder, 'etc', name)).mode & 0o777, mode, name)
  t.ok(existsSync(join(folder, 'etc/nginx/gatehouse.d')))

  const lines = (text: string, prefix: string): [string, string][] => [...text.matchAll(new RegExp(`^${prefix}(\\w+)=(.*)$`, 'gm'))].map(([, name = '', value = '']) => [name, value])
  const unit = readFileSync(join(root, 'examples/deploy/systemd/gatehouse@.service'), 'utf8')
  const given = readFileSync(join(folder, 'etc/gatehouse/environment'), 'utf8')
  const settings = readConfiguration(Object.fromEntries([...lines(unit, 'Environment=').map(([name, value]) => [name, value.replace('%i', '3001').replace('%d', folder)]), ...lines(given, ''), ['ADMIN_PASSWORD', 'x']]) as Record<string, string>)
  t.match(settings, { development: false, port: 3001, docs: 'admin', publicUrl: `https://${HOST}`, trustedProxies: ['127.0.0.1'] })
  t.equal(Buffer.from(readFileSync(join(folder, 'etc/gatehouse/token-key'), 'utf8'), 'base64').length, 32)
})

t.test('nginx with TLS in front: what the demo does goes through, and the client is who it is', { skip: noNginx }, async (t) => {
  const demo = await start(t, { LOG_LEVEL: 'info', DATA_DIR: join(directory, 'data/flows') })
  const nginx = await startNginx(t, join(directory, 'nginx'), { servers: [new URL(demo.url).host] })
  await assertFlows(t, nginx.send, administrator)

  const { token } = await signUp(nginx.send)
  const lies = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.example', forwarded: 'for=203.0.113.9;host=evil.example', 'x-request-id': 'mine' }
  await nginx.send({ method: 'POST', path: '/token', from: '127.0.0.7', headers: { ...lies, 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ grant_type: 'password', ...administrator }).toString() })
  const db = await openSqlite(join(directory, 'data/flows/gatehouse.sqlite'))
  t.teardown(() => db.destroy())
  const [last] = await db.selectFrom('audit_events').select(['ip', 'event']).where('event', '=', 'authn_token_created').orderBy('id', 'desc').limit(1).execute()
  t.same(last, { ip: '127.0.0.7', event: 'authn_token_created' }, 'R154 the address is that of the connection, whatever the client says')
  const issuer = await nginx.send({ path: '/.well-known/oauth-authorization-server', headers: lies })
  t.equal((JSON.parse(issuer.body) as { issuer: string }).issuer, `https://${HOST}`)

  const refused = await nginx.send({ path: '/users/me?access_token=hunter2', headers: lies })
  const [, id = ''] = /urn:request:([0-9a-f]{32})"/.exec(refused.body) ?? []
  t.match(await nginx.logged((line) => line['id'] === id), { path: '/users/me', status: 401, client: '127.0.0.1' }, 'one request, one id')
  await until(() => demo.stdout().includes(id))
  t.notMatch(readFileSync(join(directory, 'nginx/gatehouse.log'), 'utf8') + demo.stdout(), /hunter2/)

  const hsts = ({ rawHeaders }: { rawHeaders: string[] }): number => rawHeaders.filter((text) => text.toLowerCase() === 'strict-transport-security').length
  const [served, own] = await Promise.all([raw(nginx.port, '/health/live'), raw(nginx.port, `/${'a'.repeat(40_000)}`)])
  t.strictSame([served.status, hsts(served)], [200, 1], 'HSTS once')
  t.strictSame([own.status, hsts(own)], [414, 1], 'on what nginx answers itself too')
  t.equal((await nginx.send({ method: 'POST', path: '/items', headers: { ...token, 'content-type': 'application/json' }, body: JSON.stringify({ title: 'a'.repeat(1_048_577) }) })).status, 413)

  const session = connect(`https://127.0.0.1:${String(nginx.port)}`, { ca: nginx.ca, servername: HOST })
  const stream = session.request({ ':path': '/health/ready', ':authority': HOST })
  t.match(await new Promise((resolve) => stream.once('response', resolve)), { ':status': 200 }, 'HTTP/2')
  session.destroy()
})

t.test('nginx answers for what has no business with the service', { skip: noNginx }, async (t) => {
  const demo = await start(t)
  const nginx = await startNginx(t, join(directory, 'strict'), { servers: [new URL(demo.url).host], replacing: { 'rate=50r/s': 'rate=1r/m', 'burst=100': 'burst=3' } })
  t.equal((await nginx.send({ path: '/health/live', from: '127.0.0.2', headers: { host: 'evil.example' } })).status, 421, 'another Host')
  await t.rejects(raw(nginx.port, '/health/live', { servername: 'evil.example' }), 'another name at the handshake')
  await t.rejects(raw(nginx.port, '/health/live', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }), 'TLS 1.1')
  const statuses: number[] = []
  for (let sent = 0; sent < 8; sent += 1) statuses.push((await nginx.send({ path: '/health/live', from: '127.0.0.3' })).status)
  t.strictSame(statuses, [200, 200, 200, 200, 429, 429, 429, 429], 'too many from one address')
  t.equal((await nginx.send({ path: '/health/live', from: '127.0.0.4' })).status, 200, 'and no other')
  t.match(await plain(nginx.plainPort, 'GET'), { status: 308, location: `https://${HOST}/items?q=1` })
  t.match(await plain(nginx.plainPort, 'POST'), { status: 403, location: undefined }, 'what carried something is not sent on')
})

t.test('replace-process.sh: one process gives way to the next while requests run, and none of them fails', { skip: noNginx !== false ? noNginx : noServer }, async (t) => {
  const folder = join(directory, 'rolling')
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  const [first, second] = [await start(t, { DATABASE_URL: url }), await start(t, { DATABASE_URL: url })]
  const { host, port } = new URL(first.url)
  const nginx = await startNginx(t, folder, { servers: [host, new URL(second.url).host] })

  // What systemctl does here: a signal to this nginx, and a word to this test, which stops the one process and starts the other.
  writeFileSync(join(folder, 'systemctl'), `#!/bin/sh\nset -eu\ncase $1 in\nreload) kill -HUP "$(cat ${folder}/nginx.pid)" ;;\nrestart) touch ${folder}/restart; while [ -e ${folder}/restart ]; do sleep 0.05; done ;;\nesac\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'nginx'), `#!/bin/sh\nPATH=${String(process.env['PATH'])} exec nginx -p ${folder} -c ${folder}/nginx.conf "$@"\n`, { mode: 0o755 })
  const script = readFileSync(join(root, 'examples/deploy/replace-process.sh'), 'utf8').replaceAll('/etc/nginx/', `${folder}/`).replaceAll('/run/nginx.pid', `${folder}/nginx.pid`)
  writeFileSync(join(folder, 'replace-process.sh'), script, { mode: 0o755 })

  const { token } = await signUp(nginx.send)
  const made: string[] = []
  const failed: unknown[] = []
  let goesOn = true
  const clients = Array.from({ length: 4 }, async (_, client) => {
    for (let number = 0; goesOn; number += 1) {
      const from = `127.0.1.${String(client * 50 + number % 50 + 1)}`
      try {
        const { status, body } = await nginx.send({ method: 'POST', path: '/items', from, headers: { ...token, 'content-type': 'application/json' }, body: JSON.stringify({ title: `item ${String(number)}` }) })
        if (status !== 201) throw new Error(`${String(status)} ${body}`)
        const { id } = JSON.parse(body) as { id: string }
        made.push(id)
        const read = await nginx.send({ path: `/items/${id}`, from, headers: token })
        if (read.status !== 200) throw new Error(`${String(read.status)} ${read.body}`)
      } catch (error) {
        failed.push(error)
      }
    }
  })
  const more = async (): Promise<void> => {
    const enough = made.length + 20
    await until(() => made.length >= enough || failed.length > 0)
  }
  await more()
  const replaced = promisify(execFile)(join(folder, 'replace-process.sh'), [port], { env: { PATH: `${folder}:${String(process.env['PATH'])}` } })
  void replaced.catch((error: unknown) => { failed.push(error) })
  await until(() => existsSync(join(folder, 'restart')) || failed.length > 0)
  await more()
  first.child.kill('SIGTERM')
  t.same(await first.ended, { code: 0, signal: null })
  await more()
  const next = spawnServer(server, { ...environment, DATABASE_URL: url, DATA_DIR: join(directory, 'data/next'), PORT: port, LOG_LEVEL: 'silent' })
  t.teardown(() => next.child.kill('SIGKILL'))
  rmSync(join(folder, 'restart'))
  await replaced
  await more()
  goesOn = false
  await Promise.all(clients)
  t.strictSame(failed, [])
  for (const process of [second.url, first.url]) t.equal((await fetch(`${process}/items/${String(made.at(-1))}`, { headers: token })).status, 200, 'a token of the first is good at each')
  t.ok(nginx.log().slice(-20).some(({ upstream }) => upstream === host), 'the new process has its share')
})

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Over TLS, as a client that does not look at the certificate; with the header fields as they came. */
async function raw (port: number, path: string, options: object = {}): Promise<{ status: number | undefined; rawHeaders: string[] }> {
  const { request: secure } = await import('node:https')
  return await new Promise((resolve, reject) => {
    secure({ host: '127.0.0.1', port, path, servername: HOST, rejectUnauthorized: false, agent: false, headers: { host: HOST }, ...options }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, rawHeaders: answer.rawHeaders })
    }).on('error', reject).end()
  })
}

async function plain (port: number, method: string): Promise<{ status: number | undefined; location: string | undefined }> {
  return await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path: '/items?q=1', agent: false, headers: { host: 'evil.example' } }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, location: answer.headers.location })
    }).on('error', reject).end()
  })
}
