// What `securityHeaders` may be told, and the headers that come of it: helmet's, taken down once, and the policies.
import type { FastifyHelmetOptions } from '@fastify/helmet'
import { isQuotable } from '../guards/challenge.ts'
import { assertInteger, assertKnownOptions, invalid, isRecord } from '../guards/scheme-options.ts'

/** `Strict-Transport-Security` (RFC 6797 §6.1). */
export interface HstsOptions {
  /** How long a browser keeps to https; 0 takes back what was said before. @defaultValue 31536000: a year */
  maxAgeSeconds?: number
  /** Holds for every host below this one. @defaultValue `true` */
  includeSubDomains?: boolean
  /** Asks for a place in the lists of browsers, which is hard to leave; for a year or more, with subdomains. @defaultValue `false` */
  preload?: boolean
}

/** Options of `securityHeaders`; `false` leaves a header out. */
export interface SecurityHeadersOptions {
  /**
   * The `Content-Security-Policy` of answers that are no page and do not bring their own.
   * @defaultValue `"default-src 'none'; frame-ancestors 'none'"`
   */
  contentSecurityPolicy?: string | false
  /**
   * That of pages (`text/html`) that do not bring their own. `'nonce'` in it stands for the nonce of the answer, which a
   * handler gets from {@link cspNonce}; where none was asked for, it falls away.
   * @defaultValue scripts, styles, images, fonts and requests of this origin
   */
  pageContentSecurityPolicy?: string | false
  /** Sends both policies as `Content-Security-Policy-Report-Only`: nothing is kept from running. @defaultValue `false` */
  contentSecurityPolicyReportOnly?: boolean
  /** What a page may embed without that saying so. @defaultValue `false` */
  crossOriginEmbedderPolicy?: 'require-corp' | 'credentialless' | 'unsafe-none' | false
  /** Which pages share a group of windows with ours. @defaultValue `'same-origin'` */
  crossOriginOpenerPolicy?: 'same-origin' | 'same-origin-allow-popups' | 'noopener-allow-popups' | 'unsafe-none' | false
  /** Whose pages may embed the answers. @defaultValue `'same-origin'` */
  crossOriginResourcePolicy?: 'same-origin' | 'same-site' | 'cross-origin' | false
  /** Asks for a process of the origin's own. @defaultValue `true` */
  originAgentCluster?: boolean
  /** What a browser tells others of where it was; several are tried from the last to the first that a browser knows. @defaultValue `'no-referrer'` */
  referrerPolicy?: string | readonly string[] | false
  /**
   * Sends `Strict-Transport-Security: max-age=31536000; includeSubDomains`, over https only (RFC 6797 §7.2).
   * Say `{ includeSubDomains: false }` where a subdomain must stay on http.
   * @defaultValue `true`
   */
  hsts?: boolean | HstsOptions
  /** Keeps browsers from guessing a type: `nosniff`. @defaultValue `true` */
  xContentTypeOptions?: boolean
  /** Whether names in links are looked up beforehand. @defaultValue `'off'` */
  xDnsPrefetchControl?: 'on' | 'off' | false
  /** Keeps Internet Explorer from opening downloads here: `noopen`. @defaultValue `true` */
  xDownloadOptions?: boolean
  /** Whose pages may frame ours, for browsers without `frame-ancestors`. @defaultValue `'DENY'` */
  xFrameOptions?: 'DENY' | 'SAMEORIGIN' | false
  /** For Acrobat and Flash. @defaultValue `'none'` */
  xPermittedCrossDomainPolicies?: 'none' | 'master-only' | 'by-content-type' | 'all' | false
  /** Sends `X-XSS-Protection: 0`. @defaultValue `true` */
  xXssProtection?: boolean
}

export type Headers = Readonly<Record<string, string>>

/** A policy, with the places of its nonce. */
export interface Policy {
  readonly withoutNonce: string
  withNonce (nonce: string): string
}

export interface Settings {
  /** What helmet is told, except of `hsts` and the policies. */
  readonly helmet: FastifyHelmetOptions
  readonly strictTransportSecurity: string | null
  readonly policyHeader: string
  readonly policy: string | null
  readonly pagePolicy: Policy | null
}

const defaultPolicy = "default-src 'none'; frame-ancestors 'none'"
const defaultPagePolicy = "default-src 'none'; script-src 'self' 'nonce'; style-src 'self' 'nonce'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
const NONCE = /(?<! ) *'nonce'/g
const YEAR = 31_536_000

interface Choice {
  readonly values: readonly (string | boolean)[]
  readonly standard: string | boolean
  /** What helmet calls it. */
  readonly toHelmet: (value: string | boolean) => object
}

const asPolicy = (name: string) => (policy: string | boolean): object => ({ [name]: policy === false ? false : { policy } })
const asSwitch = (name: string) => (on: string | boolean): object => on === false ? { [name]: false } : {}

const choices: Readonly<Record<string, Choice>> = {
  crossOriginEmbedderPolicy: { values: ['require-corp', 'credentialless', 'unsafe-none', false], standard: false, toHelmet: asPolicy('crossOriginEmbedderPolicy') },
  crossOriginOpenerPolicy: { values: ['same-origin', 'same-origin-allow-popups', 'noopener-allow-popups', 'unsafe-none', false], standard: 'same-origin', toHelmet: asPolicy('crossOriginOpenerPolicy') },
  crossOriginResourcePolicy: { values: ['same-origin', 'same-site', 'cross-origin', false], standard: 'same-origin', toHelmet: asPolicy('crossOriginResourcePolicy') },
  originAgentCluster: { values: [true, false], standard: true, toHelmet: asSwitch('originAgentCluster') },
  xContentTypeOptions: { values: [true, false], standard: true, toHelmet: asSwitch('xContentTypeOptions') },
  xDnsPrefetchControl: { values: ['on', 'off', false], standard: 'off', toHelmet: (value) => ({ xDnsPrefetchControl: value === false ? false : { allow: value === 'on' } }) },
  xDownloadOptions: { values: [true, false], standard: true, toHelmet: asSwitch('xDownloadOptions') },
  xFrameOptions: { values: ['DENY', 'SAMEORIGIN', false], standard: 'DENY', toHelmet: (value) => ({ xFrameOptions: value === false ? false : { action: value === 'DENY' ? 'deny' : 'sameorigin' } }) },
  xPermittedCrossDomainPolicies: { values: ['none', 'master-only', 'by-content-type', 'all', false], standard: 'none', toHelmet: (value) => ({ xPermittedCrossDomainPolicies: value === false ? false : { permittedPolicies: value } }) },
  xXssProtection: { values: [true, false], standard: true, toHelmet: asSwitch('xXssProtection') }
}

const referrerPolicies = ['no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin', 'strict-origin-when-cross-origin', 'unsafe-url']
const others = ['contentSecurityPolicy', 'pageContentSecurityPolicy', 'contentSecurityPolicyReportOnly', 'referrerPolicy', 'hsts']

export function resolve (options: SecurityHeadersOptions): Settings {
  assertKnownOptions('securityHeaders', options, [...Object.keys(choices), ...others])
  const { contentSecurityPolicy = defaultPolicy, pageContentSecurityPolicy = defaultPagePolicy, contentSecurityPolicyReportOnly = false, referrerPolicy = 'no-referrer', hsts = true } = options
  if (typeof contentSecurityPolicyReportOnly !== 'boolean') throw invalid('securityHeaders.contentSecurityPolicyReportOnly', 'must be true or false')
  const policy = policyFrom('contentSecurityPolicy', contentSecurityPolicy)
  if (policy?.includes("'nonce'") === true) throw invalid('securityHeaders.contentSecurityPolicy', "is of answers that are no page, which have no 'nonce'")
  const pagePolicy = policyFrom('pageContentSecurityPolicy', pageContentSecurityPolicy)
  return Object.freeze({
    helmet: Object.assign({ referrerPolicy: referrerPolicyFrom(referrerPolicy) }, ...Object.entries(choices).map(([name, choice]) => choice.toHelmet(choose(name, choice, options)))) as FastifyHelmetOptions,
    strictTransportSecurity: hstsFrom(hsts),
    policyHeader: contentSecurityPolicyReportOnly ? 'content-security-policy-report-only' : 'content-security-policy',
    policy,
    pagePolicy: pagePolicy === null ? null : compilePolicy(pagePolicy)
  })
}

function choose (name: string, { values, standard }: Choice, options: object): string | boolean {
  const { [name]: value = standard } = options as Record<string, string | boolean | undefined>
  if (!values.includes(value)) throw invalid(`securityHeaders.${name}`, `must be one of ${values.map(String).join(', ')}`)
  return value
}

function policyFrom (name: string, policy: unknown): string | null {
  if (policy === false) return null
  if (typeof policy !== 'string' || policy.trim() === '' || !isQuotable(policy)) throw invalid(`securityHeaders.${name}`, 'must be a policy of printable ASCII, or false')
  return policy
}

/** A directive that has nothing left without its nonce allows nothing: `script-src 'nonce'` is then `script-src 'none'`. */
function compilePolicy (policy: string): Policy {
  const parts = policy.split("'nonce'")
  const withoutNonce = policy.split(';').map((directive) => {
    const left = directive.replaceAll(NONCE, '')
    return left !== directive && !/\S\s+\S/.test(left) ? `${left} 'none'` : left
  }).join(';')
  return Object.freeze({ withoutNonce, withNonce: (nonce: string) => parts.join(`'nonce-${nonce}'`) })
}

function referrerPolicyFrom (policy: unknown): FastifyHelmetOptions['referrerPolicy'] {
  if (policy === false) return false
  const list: unknown[] = Array.isArray(policy) ? policy : [policy]
  const valid = list.length > 0 && new Set(list).size === list.length && list.every((entry) => typeof entry === 'string' && referrerPolicies.includes(entry))
  if (!valid) throw invalid('securityHeaders.referrerPolicy', `must be one of ${referrerPolicies.join(', ')}, a list of them, or false`)
  return { policy: list as 'no-referrer'[] }
}

function hstsFrom (hsts: unknown): string | null {
  if (hsts === false) return null
  const options: unknown = hsts === true ? {} : hsts
  if (!isRecord(options)) throw invalid('securityHeaders.hsts', 'must be true, false or an object')
  assertKnownOptions('securityHeaders.hsts', options, ['maxAgeSeconds', 'includeSubDomains', 'preload'])
  const { maxAgeSeconds = YEAR, includeSubDomains = true, preload = false } = options
  assertInteger('securityHeaders.hsts.maxAgeSeconds', maxAgeSeconds, { min: 0, max: 10 * YEAR })
  if (typeof includeSubDomains !== 'boolean' || typeof preload !== 'boolean') throw invalid('securityHeaders.hsts', 'has includeSubDomains and preload as true or false')
  if (preload && (!includeSubDomains || maxAgeSeconds < YEAR)) throw invalid('securityHeaders.hsts.preload', 'needs includeSubDomains and a year')
  return `max-age=${String(maxAgeSeconds)}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}

/**
 * What @fastify/helmet sends, taken down once from an instance that never listens: registered with the caller it would
 * decorate `reply.helmet`, which belongs to a service that uses helmet itself.
 */
export async function helmetHeaders (options: FastifyHelmetOptions): Promise<Headers> {
  const [{ fastify }, { fastifyHelmet }] = await Promise.all([import('fastify'), import('@fastify/helmet')])
  const host = fastify()
  const told: FastifyHelmetOptions = Object.assign({}, options, { contentSecurityPolicy: false, strictTransportSecurity: false })
  await host.register(fastifyHelmet, told)
  const sent: Record<string, string> = {}
  host.get('/', (_request, reply) => {
    for (const [name, value] of Object.entries(reply.raw.getHeaders())) sent[name] = String(value)
    return ''
  })
  await host.inject('/')
  await host.close()
  return sent
}
