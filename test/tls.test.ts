// The demo over TLS, as a process of its own: judged by OpenSSL and sslscan, which share nothing with Node's client.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import t from 'tap'
import { selfSigned } from './fixtures/certificate.ts'
import { buildServer, freePort, spawnServer } from './fixtures/process.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { Test } from 'tap'

const run = promisify(execFile)
const directory = t.testdir({ build: {}, data: {}, tls: {} })
const inTls = (name: string): string => join(directory, 'tls', name)
let server = ''
t.setTimeout(300_000)
t.before(async () => { server = await buildServer(join(directory, 'build')) })

const PATIENCE_MS = 60_000
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const hasSslscan = spawnSync('sslscan', ['--version']).status === 0

/** Makes `<name>.pem` and `<name>.key` for loopback. */
function makeCertificate (name: string, type = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']): void {
  execFileSync('openssl', ['req', '-x509', '-nodes', ...type, '-keyout', inTls(`${name}.key`), '-out', inTls(`${name}.pem`), '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'], { stdio: 'ignore' })
}

interface Answer { status: number; headers: IncomingHttpHeaders; body: string }

async function send (url: string, { ca = [], ...options }: { method?: string; headers?: Record<string, string>; ca?: readonly string[] } = {}): Promise<Answer> {
  const request = url.startsWith('https:') ? secureRequest : plainRequest
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, agent: false, ca: [...ca] }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }) })
    })
    sent.setTimeout(PATIENCE_MS, () => { sent.destroy(new Error('no answer')) })
    sent.on('error', reject).end()
  })
}

/** The common name that the server presents to a new connection. */
async function presented (port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    }).on('error', reject)
    socket.setTimeout(PATIENCE_MS, () => { socket.destroy(new Error('no handshake')) })
  })
}

interface Secure { port: number; redirectPort: number; url: string; child: ReturnType<typeof spawnServer>['child']; ended: ReturnType<typeof spawnServer>['ended']; stdout (): string; stderr (): string }

async function start (t: Test, name: string, environment: Record<string, string> = {}): Promise<Secure> {
  const [port, redirectPort] = [await freePort(), await freePort()]
  const running = spawnServer(server, {
    NODE_ENV: 'test', LOG_LEVEL: 'info', PORT: String(port), HTTP_REDIRECT_PORT: String(redirectPort), DATA_DIR: join(directory, 'data', name),
    TLS_CERT_FILE: inTls(`${name}.pem`), TLS_KEY_FILE: inTls(`${name}.key`), ...environment
  })
  t.teardown(() => running.child.kill('SIGKILL'))
  await waitFor(running, () => running.stdout().includes('/users/me'))
  return { ...running, port, redirectPort, url: `https://127.0.0.1:${String(port)}` }
}

/** Throws where the process has ended, or says nothing for as long as no machine is slow. */
async function waitFor ({ child, stderr }: Pick<Secure, 'child' | 'stderr'>, condition: () => boolean): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the process has ended: ${String(child.signalCode ?? child.exitCode)} ${stderr()}`)
    if (performance.now() > until) throw new Error(`it did not happen in ${String(PATIENCE_MS)} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

t.test('R175 R172 the demo serves TLS 1.2 and 1.3, with HSTS, and its lines work when pasted', { skip: hasOpenssl ? false : 'openssl is not installed' }, async (t) => {
  makeCertificate('served')
  const ca = [await readFile(inTls('served.pem'), 'utf8')]
  const { url, port, redirectPort, stdout, stderr, child, ended } = await start(t, 'served', { NODE_ENV: 'development', LOG_LEVEL: 'silent' })

  const live = await send(`${url}/health/live`, { ca })
  t.equal(live.status, 200)
  t.equal(live.headers['strict-transport-security'], 'max-age=31536000; includeSubDomains')
  t.equal((await send(`${url}/nowhere`, { ca })).headers['strict-transport-security'], 'max-age=31536000; includeSubDomains', 'on a 404 too')
  t.match((await send(`${url}/.well-known/oauth-authorization-server`, { ca })).body, `"issuer":"${url}"`)
  const lines = stdout().split('\n').filter((line) => line.includes('curl'))
  const pasted = await run('bash', ['-c', lines.join('\n')])
  t.match(pasted.stdout.slice(pasted.stdout.lastIndexOf('{')), /"username":"alice-/)

  const handshake = (...options: string[]): { status: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${String(port)}`, '-CAfile', inTls('served.pem'), ...options], { input: '', encoding: 'utf8' })
    return { status, output: stdout + stderr }
  }
  t.match(handshake('-tls1_3').output, /TLSv1\.3, Cipher is TLS_/)
  t.match(handshake().output, /TLSv1\.3/, '1.3 is preferred')
  const older = handshake('-tls1_2').output
  t.match(older, /TLSv1\.2, Cipher is ECDHE-\S+-(?:GCM-SHA\d+|POLY1305)/)
  t.match(older, 'Compression: NONE')
  const rows: [string, string[]][] = [
    ['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['TLS 1.0', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['RSA key exchange', ['-tls1_2', '-cipher', 'AES256-GCM-SHA384:AES128-GCM-SHA256']],
    ['CBC', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA']],
    ['DHE', ['-tls1_2', '-cipher', 'DHE-RSA-AES256-GCM-SHA384']],
    ['no encryption', ['-tls1_2', '-cipher', 'NULL:@SECLEVEL=0']]
  ]
  for (const [title, options] of rows) {
    const { status, output } = handshake(...options)
    t.not(status, 0, `R175 ${title} is refused`)
    t.match(output, /Cipher is \(NONE\)|no ciphers available|no protocols available/, title)
  }

  const renegotiated = spawnSync('bash', ['-c', `(sleep 0.5; echo R; sleep 1) | openssl s_client -tls1_2 -connect 127.0.0.1:${String(port)} 2>&1`], { encoding: 'utf8' })
  t.match(renegotiated.stdout, /no renegotiation|RENEGOTIATING[^]*error/i, 'R175 a client cannot renegotiate')

  await t.rejects(send(`http://127.0.0.1:${String(port)}/health/live`), 'plain HTTP on the secure port')
  t.equal((await send(`${url}/health/live`, { ca })).status, 200, 'which goes on')

  const visit = await send(`http://127.0.0.1:${String(redirectPort)}/docs?a=1`, { headers: { accept: 'text/html', host: 'evil.example' } })
  t.equal(visit.status, 308, 'R173')
  t.equal(visit.headers.location, `${url}/docs?a=1`, 'R174')
  t.equal(visit.headers['strict-transport-security'], undefined, 'R172')
  const leaked = await send(`http://127.0.0.1:${String(redirectPort)}/docs`, { headers: { accept: 'text/html', cookie: '__Host-session=hunter2', 'x-forwarded-proto': 'https' } })
  t.equal(leaked.status, 403)
  t.match(JSON.parse(leaked.body), { code: 'https_required' })
  t.equal(leaked.headers.location, undefined)
  t.equal((await send(`http://127.0.0.1:${String(redirectPort)}/items`, { method: 'POST' })).status, 403)
  t.equal((await send(`http://127.0.0.1:${String(redirectPort)}/health/live`)).status, 403)

  child.kill('SIGTERM')
  t.same(await ended, { code: 0, signal: null }, 'both listeners close')
  t.equal(stderr(), '')
})

t.test('R175 sslscan finds nothing weak', { skip: !hasOpenssl ? 'openssl is not installed' : hasSslscan ? false : 'sslscan is not installed' }, async (t) => {
  makeCertificate('scanned', ['-newkey', 'rsa:2048'])
  const { port } = await start(t, 'scanned', { NODE_ENV: 'development', LOG_LEVEL: 'silent' })
  const { stdout } = await run('sslscan', ['--no-colour', '--show-certificate', `127.0.0.1:${String(port)}`])
  for (const version of ['SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1']) t.match(stdout, new RegExp(`^${version.replace('.', '\\.')}\\s+disabled`, 'm'))
  for (const version of ['TLSv1.2', 'TLSv1.3']) t.match(stdout, new RegExp(`^${version.replace('.', '\\.')}\\s+enabled`, 'm'))
  t.match(stdout, 'Session renegotiation not supported')
  t.notMatch(stdout, /^Compression enabled|^TLSv[\d.]+ vulnerable to heartbleed/m)
  const accepted = [...stdout.matchAll(/^(?:Preferred|Accepted)\s+(TLSv[\d.]+)\s+\d+ bits\s+(\S+)/gm)]
  t.ok(accepted.length >= 6, `${String(accepted.length)} suites`)
  for (const [, version, suite = ''] of accepted) t.match(suite, version === 'TLSv1.3' ? /^TLS_/ : /^ECDHE-RSA-(?:AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)$/, suite)
})

t.test('R175 SIGHUP brings the new certificate to new connections, and keeps the old one where the new one is bad', { skip: hasOpenssl ? false : 'openssl is not installed' }, async (t) => {
  for (const name of ['first', 'second', 'third']) makeCertificate(name)
  for (const ending of ['pem', 'key']) await writeFile(inTls(`live.${ending}`), await readFile(inTls(`first.${ending}`)))
  const running = await start(t, 'live', { NODE_ENV: 'development' })
  const { port, url, child, stdout } = running
  const put = async (ending: string, content: string | Buffer): Promise<void> => {
    await writeFile(inTls('next'), content)
    await rename(inTls('next'), inTls(`live.${ending}`))
  }
  let told = 0
  const hangUp = async (message: string): Promise<string> => {
    child.kill('SIGHUP')
    const lines = (): string[] => stdout().split('\n').filter((line) => line.includes('"the certificate was '))
    await waitFor(running, () => lines().length > told)
    told = lines().length
    const line = lines()[told - 1] ?? ''
    t.match(line, message)
    return line
  }

  t.equal(await presented(port), 'first')
  const kept = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve) => kept.once('secureConnect', resolve))
  for (const ending of ['pem', 'key']) await put(ending, await readFile(inTls(`second.${ending}`)))
  t.equal(await presented(port), 'first', 'files alone change nothing')
  const replaced = JSON.parse(await hangUp('the certificate was replaced')) as Record<string, unknown>
  t.match(replaced, { level: 30, fingerprint256: new X509Certificate(await readFile(inTls('second.pem'))).fingerprint256 })
  t.equal(await presented(port), 'second')
  kept.write('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(String((await new Promise((resolve) => kept.once('data', resolve)))), /^HTTP\/1\.1 200 /, 'a connection from before goes on')
  kept.destroy()
  t.match(spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${String(port)}`, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], { input: '', encoding: 'utf8' }).stdout, /Cipher is \(NONE\)/, 'the bounds hold for the new one too')

  const rows: [string, string | Buffer, RegExp][] = [
    ['no PEM', 'hunter2', /holds no certificate in PEM/],
    ['nothing', '', /holds no certificate in PEM/],
    ['the certificate of another key', await readFile(inTls('third.pem')), /it is not the key of/]
  ]
  for (const [title, content, reason] of rows) {
    await put('pem', content)
    const line = JSON.parse(await hangUp('the certificate was not replaced')) as { level: number; err: { message: string } }
    t.equal(line.level, 50, title)
    t.match(line.err.message, reason)
    t.notMatch(JSON.stringify(line), /hunter2|PRIVATE KEY/)
    t.equal(await presented(port), 'second', title)
  }
  await rename(inTls('live.pem'), inTls('gone.pem'))
  t.match(await hangUp('the certificate was not replaced'), 'ENOENT')
  t.equal(await presented(port), 'second')
  for (const ending of ['pem', 'key']) await put(ending, await readFile(inTls(`third.${ending}`)))
  await hangUp('the certificate was replaced')
  t.equal(await presented(port), 'third', 'and a good one is taken afterwards')
  t.equal((await send(`${url}/health/ready`, { ca: [await readFile(inTls('third.pem'), 'utf8')] })).status, 200)
})

t.test('R207 R175 a certificate that cannot serve is one line at start', { skip: hasOpenssl ? false : 'openssl is not installed' }, async (t) => {
  makeCertificate('good')
  makeCertificate('other')
  makeCertificate('weak', ['-newkey', 'rsa:512'])
  const expired = selfSigned('expired', -0.5)
  await writeFile(inTls('expired.pem'), expired.cert)
  await writeFile(inTls('expired.key'), expired.key)
  execFileSync('openssl', ['ec', '-in', inTls('good.key'), '-aes256', '-passout', 'pass:hunter2', '-out', inTls('locked.key')], { stdio: 'ignore' })
  await writeFile(inTls('text.pem'), 'hunter2')
  const good = { TLS_CERT_FILE: inTls('good.pem'), TLS_KEY_FILE: inTls('good.key') }
  const rows: [string, Record<string, string>, RegExp][] = [
    ['no file', { TLS_CERT_FILE: inTls('nowhere.pem') }, /TLS_CERT_FILE: .*nowhere\.pem/],
    ['no key file', { TLS_KEY_FILE: inTls('nowhere.key') }, /TLS_KEY_FILE: .*nowhere\.key/],
    ['no certificate', { TLS_CERT_FILE: inTls('text.pem') }, /TLS_CERT_FILE: .*text\.pem holds no certificate in PEM/],
    ['no key', { TLS_KEY_FILE: inTls('text.pem') }, /TLS_KEY_FILE: .*text\.pem holds no private key in PEM/],
    ['the key of another', { TLS_KEY_FILE: inTls('other.key') }, /TLS_KEY_FILE: it is not the key of .*good\.pem/],
    ['a key with a passphrase', { TLS_KEY_FILE: inTls('locked.key') }, /TLS_KEY_FILE: .*locked\.key holds no private key in PEM, or one that asks for a passphrase/],
    ['a key that is too short', { TLS_CERT_FILE: inTls('weak.pem'), TLS_KEY_FILE: inTls('weak.key') }, /TLS_CERT_FILE: OpenSSL refuses .*weak\.pem/],
    ['an expired certificate', { TLS_CERT_FILE: inTls('expired.pem'), TLS_KEY_FILE: inTls('expired.key') }, /TLS_CERT_FILE: .*expired\.pem expired on /]
  ]
  t.jobs = 2
  await Promise.all(rows.map(([title, environment, line]) => t.test(title, { buffered: true }, async (t) => {
    const running = spawnServer(server, { NODE_ENV: 'development', LOG_LEVEL: 'silent', PORT: '0', DATA_DIR: join(directory, 'data', 'refused'), ...good, ...environment })
    t.teardown(() => running.child.kill('SIGKILL'))
    // It says where it is only when it serves: then it would not end by itself.
    running.child.stdout?.once('data', () => { running.child.kill('SIGKILL') })
    t.same(await running.ended, { code: 1, signal: null })
    t.match(running.stderr(), line)
    t.match(running.stderr(), /^gatehouse: [^\n]+\n$/, 'one line')
    t.notMatch(running.stderr(), /hunter2|PRIVATE|\.js/)
  })))
})
