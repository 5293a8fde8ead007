// Records as they are written: every member there, every text short and of characters that change no line (ASVS 16.4.1).
import type { Writable } from 'node:stream'
import type { SecurityEvent } from '../guards/events.ts'
import type { AuditEvent } from '../stores/ports.ts'

/** A record as sinks get it. */
export type AuditRecord = Omit<AuditEvent, 'id'>

/** Where records go: what a function throws at counts as dropped; a stream that is full gets no more until it has drained. */
export type AuditSink = Pick<Writable, 'write' | 'writableNeedDrain'> | ((record: AuditRecord) => void)

/** An event and when it was told. */
export interface Told {
  readonly event: SecurityEvent
  readonly at: number
}

const LONGEST_TEXT = 256
const LONGEST_DETAILS = 4096
/** Controls, line and paragraph separators, and what turns the direction of a line around. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The record of an event. */
export function recordOf ({ event: { event, outcome, actor, scheme, target, ip, method, route, request_id, reason, details }, at }: Told): AuditRecord {
  return {
    time: new Date(at).toISOString(),
    event: printable(event), outcome, actor: text(actor), scheme: text(scheme), target: text(target), ip: text(ip), method: text(method), route: text(route),
    request_id: text(request_id), reason: text(reason), details: safeDetails(details)
  }
}

function text (value: string | null | undefined): string | null {
  return value === undefined || value === null ? null : printable(value)
}

function printable (value: string): string {
  const short = value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value
  return short.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function safeDetails (details: SecurityEvent['details']): Readonly<Record<string, unknown>> {
  if (details === undefined) return {}
  const written = JSON.stringify(details, (_name, value: unknown) => typeof value === 'string' ? printable(value) : value)
  return written.length > LONGEST_DETAILS ? { truncated: true } : JSON.parse(written) as Record<string, unknown>
}
