// Other ways to write the same request: what proxies and routers take for one thing and guards for another.
import { createAttempt, nameOf, newAddress } from './attempt.ts'
import { paramsOf, pathOf, requestFor } from './requests.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedRoute, AttackRequest, Attempt } from './types.ts'

function encodedLetter (path: string): string {
  return path.replace(/[a-z]/i, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
}

const paths: Readonly<Record<string, (path: string) => string>> = {
  'in upper case': (path) => path.toUpperCase(),
  'with a slash behind it': (path) => `${path}/`,
  'with two slashes before it': (path) => `/${path}`,
  'with two slashes in it': (path) => path.replace(/(.)\/|^\//, '$1//'),
  'with a dot segment': (path) => `/.${path}`,
  'with dot segments': (path) => `/x/..${path}`,
  'with encoded dot segments': (path) => `/x/%2e%2e${path}`,
  'with an encoded letter': encodedLetter,
  'with a letter encoded twice': (path) => encodedLetter(path).replace('%', '%25'),
  'with an encoded slash': (path) => `/${path.slice(1).replace('/', '%2f')}%2f`,
  'with a NUL': (path) => `${path}%00`,
  'with a parameter of the path': (path) => `${path};a=b`,
  'with a format': (path) => `${path}.json`,
  'with a backslash': (path) => `${path}\\`,
  'with a fragment': (path) => `${path}%23`,
  'with an empty query': (path) => `${path}?`
}

const methods = ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'get']

const headers: Readonly<Record<string, (request: AttackRequest) => AttackRequest['headers'] & object>> = {
  'X-HTTP-Method-Override': () => ({ 'x-http-method-override': 'GET' }),
  'X-Method-Override': () => ({ 'x-method-override': 'OPTIONS' }),
  'X-Original-URL and X-Rewrite-URL': () => ({ 'x-original-url': '/', 'x-rewrite-url': '/' }),
  'the word of a proxy for who it is': () => ({ 'x-forwarded-user': 'admin', 'x-remote-user': 'admin', 'x-authenticated-user': 'admin', 'x-user-id': '1', 'x-forwarded-for': '127.0.0.1' }),
  'a local Host': () => ({ host: 'localhost' })
}

/** Without credentials nothing of a guarded route is reached, however it is written. */
export function wireAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  if (route.access !== 'guarded') return []
  const make = (what: string, change: (request: AttackRequest, path: string) => AttackRequest): Attempt => createAttempt('wire', route, what, async () => {
    const request = await requestFor(context, route)
    const path = pathOf(route, await paramsOf(context, route))
    const { status, entered } = await context.transport.send({ address: newAddress(), ...change(request, path) })
    // The 404 of another path is no refusal of ours, and a page that answers everybody no hole of this route.
    const isReached = entered === undefined ? status >= 200 && status < 300 : entered === nameOf(route)
    return isReached ? [`the answer is ${String(status)}: the route was reached`] : []
  })
  return [
    ...Object.entries(paths).map(([what, rewrite]) => make(what, (request, path) => ({ ...request, url: rewrite(path) }))),
    ...methods.filter((method) => method !== route.method && (method !== 'HEAD' || route.method === 'GET')).map((method) => make(`by ${method}`, ({ url, headers = {} }) => ({ url, method, headers: withoutType(headers) }))),
    ...Object.entries(headers).map(([what, more]) => make(`with ${what}`, (request) => ({ ...request, headers: { ...request.headers, ...more(request) } })))
  ]
}

function withoutType (headers: AttackRequest['headers'] & object): AttackRequest['headers'] & object {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-type'))
}
