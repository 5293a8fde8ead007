// Deny by default, and a scheme of one's own: a token that a deployment script has.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import { formatChallenge, guards, refusal } from '../../index.ts'
import type { CustomPrincipal } from '../../index.ts'

const token = randomBytes(32).toString('base64url')
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

const app = Fastify()
await app.register(guards, { defaultAccess: 'deny' })

const deployer = app.defineScheme<CustomPrincipal>({
  name: 'deployer',
  definition: { type: 'apiKey', in: 'header', name: 'X-Deploy-Token' },
  carrier: { in: 'header', name: 'X-Deploy-Token' },
  ambient: false,
  authenticate ({ headers: { 'x-deploy-token': given } }) {
    if (given === undefined) return null                       // nothing of this kind was presented
    if (!timingSafeEqual(digestOf(String(given)), digestOf(token))) throw refusal('invalid_credentials')
    return { kind: 'custom', scheme: 'deployer', subject: 'deploy-script', scopes: [], roles: [], attributes: {} }
  },
  challenge: ({ error }) => error === undefined || error.statusCode === 401 ? formatChallenge('Deploy', { realm: 'api' }) : null
})

app.get('/health', { onRequest: app.publicAccess('Probes have no credentials') }, () => 'ok')
app.get('/posture', { onRequest: deployer }, () => app.guardedRoutes())

export { app, token }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/posture -H 'X-Deploy-Token: ${token}'\n`)
