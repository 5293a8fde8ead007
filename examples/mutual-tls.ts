// Mutual TLS as a scheme of one's own: the client is known by the certificate of its connection.
import { readFileSync } from 'node:fs'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { guards, refusal } from '../index.ts'
import type { FastifyInstance } from 'fastify'
import type { CustomPrincipal } from '../index.ts'

export interface MutualTlsOptions {
  key: string
  cert: string
  /** Who signs the clients' certificates. */
  ca: string
  /** Names by the SHA-256 fingerprint of a certificate: a signature of the authority alone lets nobody in. */
  clients: ReadonlyMap<string, string>
}

export async function buildApp ({ key, cert, ca, clients }: MutualTlsOptions): Promise<FastifyInstance> {
  // Not rejected at the handshake, so that a client without a certificate gets an answer that says so.
  const app: FastifyInstance = Fastify({ https: { key, cert, ca, requestCert: true, rejectUnauthorized: false } })
  await app.register(guards)

  const certificate = app.defineScheme<CustomPrincipal>({
    name: 'certificate',
    definition: { type: 'mutualTLS' },
    carrier: { in: 'connection', name: 'client certificate' },
    ambient: true,
    authenticate ({ raw: { socket } }) {
      if (!(socket instanceof TLSSocket)) return null
      const presented = socket.getPeerX509Certificate()
      if (presented === undefined) return null
      if (!socket.authorized) throw refusal('invalid_credentials', { reason: 'the certificate is not signed by the authority, or expired' })
      const name = clients.get(presented.fingerprint256)
      if (name === undefined) throw refusal('invalid_credentials', { reason: 'nobody is known by this certificate' })
      return { kind: 'custom', scheme: 'certificate', subject: name, scopes: [], roles: [], attributes: {} }
    },
    challenge: () => null
  })

  app.get('/me', { onRequest: certificate }, (request) => ({ client: certificate.principal(request).subject }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [key = '', cert = '', ca = '', fingerprint = ''] = process.argv.slice(2)
  const app = await buildApp({ key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8'), ca: readFileSync(ca, 'utf8'), clients: new Map([[fingerprint, 'somebody']]) })
  process.stdout.write(`curl -i --cert client.pem ${await app.listen({ port: 3000 })}/me\n`)
}
