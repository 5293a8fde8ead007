// What is no input: a value for each bound of the schema that breaks it alone, and bodies that parsers read in two ways.
import { refusedAttempt } from './attempt.ts'
import { goodRequest } from './access.ts'
import { mutationsOf } from './mutations.ts'
import { bodyFor, paramsOf, queryFor } from './requests.ts'
import { isSchema, propertiesOf, sampleObject } from './sample.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedRoute, AttackRequest, Attempt } from './types.ts'

const JSON_TYPE = 'application/json'
const DEPTH = 64
const refused = [400, 413, 415, 422]

export function parameterAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  const attempts: Attempt[] = []
  const add = (what: string, request: () => Promise<AttackRequest>, statuses: readonly number[], place: string): void => { attempts.push(refusedAttempt(context, 'parameters', route, what, { request, expected: { statuses, place } })) }
  if (route.params !== null) {
    for (const { pointer, keyword, value } of textual(route.params)) {
      const name = pointer.slice(1)
      const broken = String((value as Record<string, unknown>)[name])
      if (keyword === 'type' || broken === '') continue
      add(`${keyword} of the path parameter ${name}`, async () => goodRequest(context, route, { params: { ...await paramsOf(context, route), [name]: broken } }), [400, 404, 414], name)
    }
  }
  if (route.query !== null) {
    add('an unknown query parameter', async () => goodRequest(context, route, { query: { nothing_of_the_list: '1' } }), [400], 'nothing_of_the_list')
    for (const { pointer, keyword, value } of textual(route.query)) {
      const name = pointer.slice(1)
      const type = isSchema(route.query['properties']) ? (route.query['properties'][name] as { type?: unknown }).type : undefined
      if (keyword === 'type' && type === 'string') continue
      add(`${keyword} of the query parameter ${name}`, async () => goodRequest(context, route, { query: { ...queryFor(context, route), [name]: String((value as Record<string, unknown>)[name]) } }), [400], name)
    }
    for (const [name] of propertiesOf(route.query)) {
      add(`the query parameter ${name} twice`, async () => goodRequest(context, route, { query: { [name]: ['1', '2'] } }), [400], name)
    }
  }
  return attempts
}

/** Of the members alone; what all of them together need is no parameter's. */
function textual (schema: NonNullable<AttackedRoute['params']>): ReturnType<typeof mutationsOf> {
  return mutationsOf(schema, sampleObject(schema)).filter(({ pointer }) => /^\/[^/]+$/.test(pointer))
}

export function bodyAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  const { body } = route
  if (body === null) return []
  const good = bodyFor(context, route) ?? {}
  const make = (what: string, value: unknown, { place, statuses = refused, type }: { place?: string; statuses?: readonly number[]; type?: string } = {}): Attempt => refusedAttempt(context, 'body', route, what, {
    request: () => goodRequest(context, route, { body: value, ...(type === undefined ? {} : { headers: { 'content-type': type } }) }),
    expected: { statuses, ...(place === undefined ? {} : { place }) }
  })
  const isForm = body.type !== JSON_TYPE
  const whole = { ...sampleObject(body.schema), ...good }
  const mutations = mutationsOf(body.schema, whole)
    // A form has no types but texts, and `type` of the whole is another content type.
    .filter(({ keyword, pointer }) => !isForm || (keyword !== 'type' && pointer.split('/').length <= 2))
  return [
    ...mutations.map(({ pointer, keyword, name, value }) => make(`${keyword}${name === undefined ? '' : ` ${name}`} of ${pointer === '' ? 'the body' : pointer}`, value, { place: pointer })),
    make('of another type', isForm ? '{}' : JSON.stringify(whole), { type: 'text/plain' }),
    ...(isForm ? formsOf(whole, body.schema['additionalProperties'] === true).map(([what, text]) => make(what, text)) : textsOf(whole).map(([what, text]) => make(what, text)))
  ]
}

function textsOf (good: Record<string, unknown>): [string, string][] {
  const text = JSON.stringify(good)
  const [name = 'a', value = 1] = Object.entries(good)[0] ?? []
  const inner = text.slice(1, -1)
  const nested = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`
  return [
    ['no JSON', `${text}}`],
    ['cut off', text.slice(0, -1)],
    ['a member twice', `{${JSON.stringify(name)}:${JSON.stringify(value)},${inner}}`],
    ['__proto__', `{"__proto__":{"isAdmin":true}${inner === '' ? '' : `,${inner}`}}`],
    ['constructor.prototype', `{"constructor":{"prototype":{"isAdmin":true}}${inner === '' ? '' : `,${inner}`}}`],
    ['depth', `{${JSON.stringify(name)}:${nested}}`],
    ['a list in its place', `[${text}]`]
  ]
}

function formsOf (good: Record<string, unknown>, takesOthers: boolean): [string, string][] {
  const text = new URLSearchParams(Object.entries(good).map(([name, value]): [string, string] => [name, String(value)])).toString()
  const [name = 'a'] = Object.keys(good)
  const others: [string, string][] = [['__proto__', `${text}&__proto__=x`], ['a field of a list', `${text}&${name}[]=x`]]
  return [['a field twice', `${text}&${name}=x`], ...(takesOthers ? [] : others)]
}
