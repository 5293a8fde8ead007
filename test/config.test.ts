import { join, resolve } from 'node:path'
import t from 'tap'
import { ConfigurationError, readConfiguration } from '../config.ts'

const password = 'a lamp beside the harbour'
const tls = { TLS_CERT_FILE: 'cert.pem', TLS_KEY_FILE: 'key.pem' }
const production = { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: 'key.pem' }

t.test('development needs nothing', async (t) => {
  const data = resolve('.data')
  for (const NODE_ENV of ['development', 'test']) {
    t.strictSame(readConfiguration({ NODE_ENV }), {
      development: true,
      host: '127.0.0.1',
      port: 3000,
      publicUrl: 'http://127.0.0.1:3000',
      dataDirectory: data,
      databaseUrl: null,
      redisUrl: null,
      tokenKeyFile: join(data, 'token-key'),
      trustedProxies: [],
      corsOrigins: [],
      docs: 'public',
      logLevel: 'info',
      tls: null,
      redirectPort: null,
      administrator: null
    })
  }
})

t.test('every value is read', async (t) => {
  t.strictSame(readConfiguration({
    ...production,
    HOST: '::1',
    PORT: '0',
    PUBLIC_URL: 'https://demo.example/base/',
    DATA_DIR: '/var/lib/demo',
    DATABASE_URL: 'postgres://demo:p%40ss@db.example:5433/items?sslmode=verify-full',
    TRUSTED_PROXIES: ' 10.0.0.0/8, 192.0.2.1,2001:db8::/32,',
    CORS_ORIGINS: 'https://a.example, http://localhost:5173',
    REDIS_URL: 'rediss://demo:p%40ss@cache.example:6380/3',
    DOCS: 'admin',
    LOG_LEVEL: 'warn',
    TLS_CERT_FILE: 'tls/cert.pem',
    TLS_KEY_FILE: '/etc/tls/key.pem',
    HTTP_REDIRECT_PORT: '8080',
    ADMIN_USERNAME: 'Zoë',
    ADMIN_PASSWORD: password
  }), {
    development: false,
    host: '::1',
    port: 0,
    publicUrl: 'https://demo.example/base',
    dataDirectory: '/var/lib/demo',
    databaseUrl: 'postgres://demo:p%40ss@db.example:5433/items?sslmode=verify-full',
    redisUrl: 'rediss://demo:p%40ss@cache.example:6380/3',
    tokenKeyFile: resolve('key.pem'),
    trustedProxies: ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'],
    corsOrigins: ['https://a.example', 'http://localhost:5173'],
    docs: 'admin',
    logLevel: 'warn',
    tls: { certFile: resolve('tls/cert.pem'), keyFile: '/etc/tls/key.pem' },
    redirectPort: 8080,
    administrator: { username: 'Zoë', password }
  })
  t.equal(readConfiguration(production).docs, 'none', 'R209')
  for (const DATABASE_URL of ['postgresql://db/items', 'postgres:///items?host=/run/postgresql']) t.equal(readConfiguration({ NODE_ENV: 'test', DATABASE_URL }).databaseUrl, DATABASE_URL)
  t.equal(readConfiguration({ NODE_ENV: 'test', DATABASE_URL: '' }).databaseUrl, null)
  t.equal(readConfiguration({ NODE_ENV: 'test', HOST: '::1' }).publicUrl, 'http://[::1]:3000')
  t.equal(readConfiguration({ NODE_ENV: 'test', ...tls }).publicUrl, 'https://127.0.0.1:3000', 'R175')
  t.ok(Object.isFrozen(readConfiguration(production)))
})

const rows: [Record<string, string>, RegExp][] = [
  [{ PORT: 'abc' }, /^PORT must be a number from 0 to 65535$/],
  [{ PORT: '65536' }, /^PORT must be/],
  [{ PORT: '-1' }, /^PORT must be/],
  [{ PORT: '0x50' }, /^PORT must be/],
  [{ PORT: '80.5' }, /^PORT must be/],
  [{ HOST: 'not a host' }, /^HOST must be an address or a host name$/],
  [{ HOST: '999.1.1.1' }, /^HOST must be/],
  [{ HOST: '127.1' }, /^HOST must be/],
  [{ HOST: 'http://localhost' }, /^HOST must be/],
  [{ ...production, PUBLIC_URL: '' }, /^PUBLIC_URL is required in production/],
  [{ NODE_ENV: '' }, /^PUBLIC_URL is required in production/],
  [{ NODE_ENV: 'Development' }, /^PUBLIC_URL is required in production/],
  [{ ...production, PUBLIC_URL: 'http://demo.example' }, /^PUBLIC_URL must be https in production$/],
  [{ PUBLIC_URL: 'demo.example' }, /^PUBLIC_URL must be a normalised http or https URL/],
  [{ PUBLIC_URL: 'ftp://demo.example' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: 'https://demo.example/?a=1' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: 'https://demo.example/#a' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: 'https://user:hunter2@demo.example' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: 'https://:hunter2@demo.example' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: 'https://DEMO.example' }, /^PUBLIC_URL must be/],
  [{ PUBLIC_URL: ' https://demo.example' }, /^PUBLIC_URL must be/],
  [{ ...production, TOKEN_KEY_FILE: '' }, /^TOKEN_KEY_FILE is required in production/],
  [{ CORS_ORIGINS: '*' }, /^CORS_ORIGINS must be origins/],
  [{ CORS_ORIGINS: 'https://a.example,https://b.example/' }, /^CORS_ORIGINS must be/],
  [{ CORS_ORIGINS: 'null' }, /^CORS_ORIGINS must be/],
  [{ CORS_ORIGINS: 'mailto:a@b.example' }, /^CORS_ORIGINS must be/],
  [{ TRUSTED_PROXIES: '10.0.0.0/33' }, /^TRUSTED_PROXIES must be addresses or CIDRs/],
  [{ TRUSTED_PROXIES: '10.0.0.0/8/8' }, /^TRUSTED_PROXIES must be/],
  [{ TRUSTED_PROXIES: '10.0.0.0/' }, /^TRUSTED_PROXIES must be/],
  [{ TRUSTED_PROXIES: '1' }, /^TRUSTED_PROXIES must be/],
  [{ TRUSTED_PROXIES: 'true' }, /^TRUSTED_PROXIES must be/],
  [{ TRUSTED_PROXIES: 'fe80::1%eth0' }, /^TRUSTED_PROXIES must be/],
  [{ TRUSTED_PROXIES: '0.0.0.0/0' }, /^TRUSTED_PROXIES must be/],
  [{ DOCS: 'public' }, /^DOCS must be admin or unset$/],
  [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent$/],
  [{ ADMIN_USERNAME: 'root' }, /^ADMIN_USERNAME and ADMIN_PASSWORD go together$/],
  [{ ADMIN_PASSWORD: password }, /^ADMIN_USERNAME and ADMIN_PASSWORD go together$/],
  [{ ADMIN_USERNAME: 'a:bc', ADMIN_PASSWORD: password }, /^ADMIN_USERNAME must be 3 to 64/],
  [{ ADMIN_USERNAME: 'ab', ADMIN_PASSWORD: password }, /^ADMIN_USERNAME must be 3 to 64/],
  [{ ADMIN_USERNAME: 'a'.repeat(65), ADMIN_PASSWORD: password }, /^ADMIN_USERNAME must be 3 to 64/],
  [{ DATABASE_URL: 'mysql://user:hunter2@db/x' }, /^DATABASE_URL must be a URL such as postgres:\/\/user:password@host:5432\/name$/],
  [{ DATABASE_URL: 'user:hunter2@db/x' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'host=db password=hunter2' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2@db' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2@db/' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2@db/x/y' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres:///x' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2@db:port/x' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2%zz@db/x' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: 'postgres://user:hunter2@db/x#y' }, /^DATABASE_URL must be/],
  [{ DATABASE_URL: ' postgres://user:hunter2@db/x' }, /^DATABASE_URL must be/],
  [{ REDIS_URL: 'http://user:hunter2@cache' }, /^REDIS_URL must be a URL such as redis:\/\/user:password@host:6379\/0, or rediss:\/\/ for TLS$/],
  [{ REDIS_URL: 'cache:6379' }, /^REDIS_URL must be/],
  [{ REDIS_URL: 'redis:///0' }, /^REDIS_URL must be/],
  [{ REDIS_URL: 'redis://user:hunter2%zz@cache' }, /^REDIS_URL must be/],
  [{ REDIS_URL: 'redis://user:hunter2@cache/items' }, /^REDIS_URL must be/],
  [{ REDIS_URL: 'redis://user:hunter2@cache?db=1' }, /^REDIS_URL must be/],
  [{ REDIS_URL: ' redis://user:hunter2@cache' }, /^REDIS_URL must be/],
  [{ TLS_CERT_FILE: 'x' }, /^TLS_CERT_FILE and TLS_KEY_FILE go together$/],
  [{ TLS_KEY_FILE: 'x' }, /^TLS_CERT_FILE and TLS_KEY_FILE go together$/],
  [{ ...tls, PUBLIC_URL: 'http://demo.example' }, /^PUBLIC_URL must be https with TLS_CERT_FILE$/],
  [{ HTTP_REDIRECT_PORT: '80' }, /^HTTP_REDIRECT_PORT needs TLS_CERT_FILE and TLS_KEY_FILE$/],
  [{ ...tls, HTTP_REDIRECT_PORT: '65536' }, /^HTTP_REDIRECT_PORT must be a number from 0 to 65535$/],
  [{ ...tls, HTTP_REDIRECT_PORT: 'http' }, /^HTTP_REDIRECT_PORT must be a number/],
  [{ ...tls, HTTP_REDIRECT_PORT: '3000' }, /^HTTP_REDIRECT_PORT must be another port than PORT$/]
]

t.test('R207 a wrong value is one clear line that names the variable, and tells no secret', async (t) => {
  for (const [environment, message] of rows) {
    await t.test(JSON.stringify(environment).slice(0, 100), async (t) => {
      let error: unknown
      try {
        readConfiguration({ NODE_ENV: 'development', ...environment })
      } catch (reason) {
        error = reason
      }
      t.ok(error instanceof ConfigurationError)
      t.match(error, { message })
      t.notMatch(String(error), /hunter2|harbour|\n/)
    })
  }
})
