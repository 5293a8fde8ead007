// That a request was refused, and how: status, code and challenges, in any test runner.
import assert from 'node:assert/strict'

/** How a request should have been refused. */
export interface Denial {
  /** The HTTP status. */
  status: number
  /** The `code` of the problem. */
  code: string
  /**
   * `WWW-Authenticate`: a text is the whole challenge, a pattern has to match one; a list tells all of them, in order; `null`
   * that there is none. @defaultValue a 401 has at least one (RFC 9110 §15.5.2)
   */
  challenge?: string | RegExp | readonly (string | RegExp)[] | null
}

/** The part of an answer that {@link expectDenied} reads; what `app.inject` answers with is one. */
export interface DeniedResponse {
  /** The HTTP status. */
  readonly statusCode: number
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | number | readonly string[] | undefined>>
  /** The text of the body. */
  readonly body: string
}

/**
 * Throws an `AssertionError` unless the answer refuses as told: a problem with this status and code, with these challenges,
 * that no cache may keep where it is 401 or 403.
 *
 * @example
 * ```ts
 * expectDenied(await app.inject('/items'), { status: 401, code: 'credentials_required', challenge: /^Bearer / })
 * ```
 */
export function expectDenied (response: DeniedResponse, { status, code, challenge }: Denial): void {
  const { statusCode, headers, body } = response
  assert.equal(statusCode, status, `the status is ${String(statusCode)}, not ${String(status)}: ${body.slice(0, 500)}`)
  assert.equal(codeOf(body), code, `the code is not ${code}: ${body.slice(0, 500)}`)
  if (status === 401 || status === 403) assert.match(String(headers['cache-control']), /\bno-store\b/, 'the refusal may be cached')
  const sent = [headers['www-authenticate'] ?? []].flat().map(String)
  if (challenge === undefined) assert.ok(status !== 401 || sent.length > 0, 'a 401 without WWW-Authenticate')
  else if (challenge === null) assert.deepEqual(sent, [], 'there is a challenge')
  else if (challenge instanceof RegExp) assert.ok(sent.some((value) => challenge.test(value)), `no challenge matches ${String(challenge)}: ${sent.join(', ')}`)
  else assertChallenges(sent, typeof challenge === 'string' ? [challenge] : challenge)
}

function codeOf (body: string): unknown {
  try {
    const problem: unknown = JSON.parse(body)
    return typeof problem === 'object' && problem !== null && 'code' in problem ? problem.code : undefined
  } catch {
    return undefined
  }
}

function assertChallenges (sent: readonly string[], expected: readonly (string | RegExp)[]): void {
  const holds = sent.length === expected.length && expected.every((wanted, at) => typeof wanted === 'string' ? sent[at] === wanted : wanted.test(sent[at] ?? ''))
  assert.ok(holds, `the challenges are ${JSON.stringify(sent)}, not ${expected.map(String).join(' and ')}`)
}
