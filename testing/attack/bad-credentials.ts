// From good credentials, those that must not be taken: by the form that they have on the request.
import { badTokens, isJwt } from './jwt.ts'
import type { AttackCredentials, MintedCredentials } from './types.ts'

/** Credentials that are bad, and what is bad about them. */
export interface BadCredentials {
  readonly title: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly query?: Readonly<Record<string, string | readonly string[]>>
  /** Whether 400 is right as well as 401: it is malformed. */
  readonly malformed: boolean
}

/** Another character in the middle, which every encoding of credentials has. */
export function altered (text: string): string {
  const at = Math.floor(text.length / 2)
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}

/** What can be bad about good credentials, the same list for all of the scheme; the credentials are made for each anew. */
export async function badCredentials ({ headers = {}, query = {} }: MintedCredentials, scheme: AttackCredentials): Promise<BadCredentials[]> {
  return [
    ...(await Promise.all(Object.entries(headers).map(async ([name, value]) => {
      switch (name.toLowerCase()) {
        case 'authorization': return (await ofAuthorization(value, scheme)).map((bad) => ({ ...bad, headers: { [name]: bad.value } }))
        case 'cookie': return ofCookie(value).map((bad) => ({ ...bad, headers: { [name]: bad.value } }))
        default: return ofValue(value).map((bad) => ({ ...bad, headers: { [name]: bad.value } }))
      }
    }))).flat(),
    ...Object.entries(query).flatMap(([name, value]) => ofValue(value).map((bad) => ({ ...bad, query: { [name]: bad.value } })))
  ]
}

interface BadValue { readonly title: string; readonly value: string | readonly string[]; readonly malformed: boolean }

const malformed = (title: string, value: string | readonly string[]): BadValue => ({ title, value, malformed: true })
const wrong = (title: string, value: string | readonly string[]): BadValue => ({ title, value, malformed: false })

async function ofAuthorization (value: string, scheme: AttackCredentials): Promise<BadValue[]> {
  const [word = '', rest = ''] = value.split(' ')
  const others = ['Bearer', 'Basic', 'Token', 'Negotiate'].filter((name) => name.toLowerCase() !== word.toLowerCase())
  const shared = [
    malformed('the scheme alone', word),
    malformed('the scheme and a space', `${word} `),
    malformed('two values', `${word} ${rest} ${rest}`),
    malformed('what no grammar has', `${word} \u00e4\u00f6,;"`),
    malformed('twice', [value, value]),
    malformed('a good one and a bad one', [value, `${word} ${altered(rest)}`]),
    malformed('a bad one and a good one', [`${word} ${altered(rest)}`, value]),
    malformed('a comma and another', `${value}, ${word} x`),
    ...others.map((name) => malformed(`under the name ${name}`, `${name} ${rest}`)),
    malformed('without the scheme', rest)
  ]
  if (word.toLowerCase() === 'basic') return [...shared, ...ofBasic(rest)]
  const tokens = isJwt(rest) ? await badTokens(rest, scheme) : [{ title: 'another character', token: altered(rest) }]
  return [...shared, ...tokens.map(({ title, token }) => malformed(title, `${word} ${token}`))]
}

function ofBasic (rest: string): BadValue[] {
  const [name = '', ...secret] = Buffer.from(rest, 'base64').toString().split(':')
  const encode = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  return [
    wrong('a wrong password', encode(`${name}:${altered(secret.join(':'))}`)),
    wrong('an empty password', encode(`${name}:`)),
    wrong('no colon', encode(name)),
    wrong('nobody', encode(':')),
    wrong('no base64', 'Basic !!!!'),
    wrong('a name with a NUL', encode(`${name}\u0000:${secret.join(':')}`))
  ]
}

function ofCookie (value: string): BadValue[] {
  const at = value.indexOf('=')
  const [name, content] = [value.slice(0, at), value.slice(at + 1)]
  return [
    wrong('an empty cookie', `${name}=`),
    wrong('another character', `${name}=${altered(content)}`),
    wrong('half of it', `${name}=${content.slice(0, Math.floor(content.length / 2))}`),
    wrong('a bad one before the good one', `${name}=${altered(content)}; ${name}=${content}`),
    wrong('under the name without its prefix', `${name.replace(/^__(?:Host|Secure)-/, '')}x=${content}`)
  ]
}

function ofValue (value: string): BadValue[] {
  return [
    malformed('empty', ''),
    malformed('another character', altered(value)),
    malformed('half of it', value.slice(0, Math.floor(value.length / 2))),
    malformed('twice', [value, value]),
    malformed('a bad one and a good one', [altered(value), value]),
    malformed('with another behind it', `${value},${value}`)
  ]
}
