// What never stands in a line of the log, wherever in it: credentials, under whatever case their names are written (ASVS 16.2.5).
import { isRecord } from '../guards/scheme-options.ts'

const secretNames = new Set([
  'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-csrf-token', 'password', 'current_password', 'new_password', 'client_secret',
  'token', 'access_token', 'refresh_token', 'id_token', 'csrf_token'
])
const REDACTED = '[Redacted]'
const DEEPEST = 8

/** A copy without the values of secret members; what is no plain object or list is left as it is, for its serializer. */
export function withoutSecrets (logged: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(logged).map(([name, value]) => [name, isSecret(name, value) ? REDACTED : copyOf(value, 1)]))
}

function copyOf (value: unknown, depth: number): unknown {
  if (depth > DEEPEST) return Array.isArray(value) || isRecord(value) ? '[…]' : value
  if (Array.isArray(value)) return (value as unknown[]).map((entry) => copyOf(entry, depth + 1))
  if (depth > 1 && value instanceof Error) return serializeError(value, depth)
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, isSecret(name, member) ? REDACTED : copyOf(member, depth + 1)]))
}

function isSecret (name: string, value: unknown): boolean {
  return value !== undefined && secretNames.has(name.toLowerCase())
}

/** What pino takes for an error. */
export interface SerializedError { type: string; message: string; stack: string; [member: string]: unknown }

/**
 * An error as the log has it: what it is, where, and why. Other members are left out: clients of other services hang the whole
 * request on their errors, and databases the row.
 */
export function serializeError (error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth > DEEPEST) return error instanceof Error ? error.name : copyOf(error, depth + 1)
  const { name, message, stack, cause, code, statusCode, reason } = error as Error & Record<'code' | 'statusCode' | 'reason', unknown>
  return { type: error.constructor.name === '' ? name : error.constructor.name, message, stack, ...(cause === undefined ? {} : { cause: serializeError(cause, depth + 1) }), ...scalars({ code, statusCode, reason }) }
}

function scalars (members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => typeof value === 'string' || typeof value === 'number'))
}
