// What other sites make a browser do, and what a browser is told: CSRF, CORS, and the headers that every answer has.
import { altered } from './bad-credentials.ts'
import { createAttempt, knownAlternatives, mintAll, neededOf, newAddress, refusedAttempt, Skipped } from './attempt.ts'
import { requestFor } from './requests.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedAlternative, AttackedRoute, AttackResponse, Attempt, MintedCredentials } from './types.ts'

type Headers = Readonly<Record<string, string>>

const EVIL = 'https://attacker.example'
const TOKEN = 'x-csrf-token'

/** What a browser says of a request that another site made it send. */
const elsewhere: Readonly<Record<string, Headers>> = {
  'Sec-Fetch-Site: cross-site': { 'sec-fetch-site': 'cross-site' },
  'Sec-Fetch-Site: same-site': { 'sec-fetch-site': 'same-site', origin: EVIL },
  'a foreign Origin': { origin: EVIL },
  'Origin: null': { origin: 'null' },
  'a foreign Referer': { referer: `${EVIL}/page` }
}

/** Requests from elsewhere, and without the token of the session, by what a browser sends unasked. */
export function csrfAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  if (route.csrf === null) return []
  const refused = { statuses: [403] }
  if (route.csrf === 'not-cross-site') {
    return Object.entries(elsewhere).map(([what, headers]) => refusedAttempt(context, 'csrf', route, `from elsewhere: ${what}`, { request: () => requestFor(context, route, { headers }), expected: refused }))
  }
  return knownAlternatives(context, route).flatMap((alternative) => {
    const make = (what: string, headersOf: (own: Headers) => Headers | Promise<Headers>, mayEnter = false): Attempt => refusedAttempt(context, 'csrf', route, what, {
      async request () {
        const minted = await mintAmbient(context, route, alternative)
        const own = Object.assign({}, ...minted.map(({ csrf }) => csrf)) as Headers
        return await requestFor(context, route, { credentials: minted, withoutCsrf: true, headers: await headersOf(own) })
      },
      expected: { ...refused, mayEnter }
    })
    const tokenOf = ({ [TOKEN]: token }: Headers): Headers => token === undefined ? {} : { [TOKEN]: token }
    const without = (own: Headers): Headers => Object.fromEntries(Object.entries(own).filter(([name]) => name !== TOKEN))
    const scheme = Object.keys(alternative).join(' and ')
    return [
      ...Object.entries(elsewhere).map(([what, headers]) => make(`${scheme} from elsewhere: ${what}`, (own) => ({ ...tokenOf(own), ...headers }))),
      make(`${scheme} from nowhere`, tokenOf),
      ...(route.csrf !== 'token' ? [] : [
        make(`${scheme} without the CSRF token`, without),
        make(`${scheme} with another CSRF token`, (own) => ({ ...own, [TOKEN]: altered(own[TOKEN] ?? '') })),
        make(`${scheme} with the CSRF token of another session`, async (own) => {
          const others = await mintAmbient(context, route, alternative)
          const theirs = tokenOf(Object.assign({}, ...others.map(({ csrf }) => csrf)) as Headers)
          if (theirs[TOKEN] === own[TOKEN]) throw new Skipped('there is no second session whose CSRF token could be sent')
          return { ...own, ...theirs }
        })
      ])
    ]
  })
}

async function mintAmbient (context: AttackContext, route: AttackedRoute, alternative: AttackedAlternative): Promise<MintedCredentials[]> {
  const minted = [...(await mintAll(context, alternative, neededOf(route, alternative))).values()]
  if (minted.every(({ csrf }) => csrf === undefined)) throw new Skipped('no browser sends these credentials unasked')
  return minted
}

function header ({ headers }: AttackResponse, name: string): string {
  return [headers[name] ?? []].flat().join(', ')
}

/** No page of another origin may read an answer, but where the route says so. */
export function corsAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  if (route.anyOrigin !== null) return []
  return [createAttempt('cors', route, 'pages of other origins may not read its answers', async () => {
    const problems: string[] = []
    for (const origin of [EVIL, 'null', 'http://localhost']) {
      const request = await requestFor(context, route, { headers: { origin } })
      const preflight = { method: 'OPTIONS', url: request.url, headers: { origin, 'access-control-request-method': route.method, 'access-control-request-headers': 'authorization' } }
      for (const asked of [request, preflight]) {
        const response = await context.transport.send({ address: newAddress(), ...asked })
        const allowed = header(response, 'access-control-allow-origin')
        if (allowed === '*' || allowed === origin) problems.push(`${asked.method} allows the origin ${origin}`)
      }
    }
    return problems
  })]
}

/** What each answer has (OWASP Secure Headers Project), whatever its status. */
const required: Readonly<Record<string, RegExp>> = {
  'x-content-type-options': /^nosniff$/,
  'content-security-policy': /default-src 'none'|default-src 'self'/,
  'cache-control': /\b(?:no-store|no-cache|max-age=\d+)\b/,
  'referrer-policy': /^(?:no-referrer|same-origin|strict-origin(?:-when-cross-origin)?)$/,
  'x-frame-options': /^(?:DENY|SAMEORIGIN)$/,
  'cross-origin-resource-policy': /^same-(?:origin|site)$/,
  'cross-origin-opener-policy': /^same-origin$/
}
const telling = ['server', 'x-powered-by', 'x-aspnet-version']

/** On the refusal of a stranger, which every route has, and on the answer for a stranger where there is one. */
export function headerAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  return [createAttempt('headers', route, 'its answers have the security headers', async () => {
    const response = await context.transport.send({ address: newAddress(), ...await requestFor(context, route) })
    return [
      ...Object.entries(required).filter(([name, pattern]) => !pattern.test(header(response, name))).map(([name]) => `${name} is "${header(response, name)}"`),
      ...telling.filter((name) => response.headers[name] !== undefined).map((name) => `${name} tells of the software`)
    ]
  })]
}
