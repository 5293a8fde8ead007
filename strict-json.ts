// JSON that has one reading (RFC 8259, RFC 7493): no duplicate names, bounded depth, nothing that reaches a prototype.
import { isUtf8 } from 'node:buffer'

/** What is wrong with a text; the sentences are safe to send, they hold nothing of it. */
export const jsonProblems = {
  syntax: 'is not valid JSON',
  encoding: 'is not valid UTF-8',
  byte_order_mark: 'begins with a byte order mark',
  depth: 'is nested too deeply',
  names: 'has too many member names',
  duplicate_name: 'has an object with a duplicate member name',
  forbidden_name: 'has a forbidden member name',
  lone_surrogate: 'has a string with a lone surrogate'
} as const satisfies Record<string, string>

export type JsonProblem = keyof typeof jsonProblems

/** Thrown by {@link parseStrictJson} and {@link decodeUtf8}; its message never quotes the text. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError'
  readonly problem: JsonProblem

  constructor (problem: JsonProblem) {
    super(`the JSON ${jsonProblems[problem]}`)
    this.problem = problem
  }
}

export interface StrictJsonOptions {
  /** How many arrays and objects may stand inside each other. @defaultValue 32 */
  maxDepth?: number
  /** How many member names the whole text may have. @defaultValue 1000 */
  maxKeys?: number
}

// Only `\ud800` to `\udfff` can make a lone surrogate of a text that was decoded from UTF-8.
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * The value of a JSON text. One pass bounds depth and names and finds duplicates, compared after unescaping,
 * before `JSON.parse` builds anything.
 * @throws {@link StrictJsonError}
 */
export function parseStrictJson (text: string, { maxDepth = 32, maxKeys = 1000 }: StrictJsonOptions = {}): unknown {
  if (text.charCodeAt(0) === 0xfeff) throw new StrictJsonError('byte_order_mark')
  scan(text, maxDepth, maxKeys)
  return parseNative(text)
}

/** The text of UTF-8 bytes, a byte order mark kept. @throws {@link StrictJsonError} with `encoding` where a byte is not UTF-8. */
export function decodeUtf8 (bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new StrictJsonError('encoding')
  return bytes.toString('utf8')
}

// The walk is exact for valid JSON only; what is not valid JSON is left to JSON.parse, which refuses it.
function scan (text: string, maxDepth: number, maxKeys: number): void {
  const hasSurrogateEscapes = SURROGATE_ESCAPE.test(text)
  // One entry an open container: the names of an object, null for an array; and the name it stands under.
  const containers: (Set<string> | null)[] = []
  const holders: string[] = []
  let names: Set<string> | null = null
  let name = ''
  let expectsName = false
  let count = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        if (containers.length === maxDepth) throw new StrictJsonError('depth')
        holders.push(names === null ? '' : name)
        expectsName = text.charCodeAt(at) === 0x7b
        names = expectsName ? new Set() : null
        containers.push(names)
        break
      case 0x7d: // }
      case 0x5d: // ]
        containers.pop()
        holders.pop()
        names = containers.at(-1) ?? null
        expectsName = false
        break
      case 0x2c: // ,
        expectsName = names !== null
        break
      case 0x22: { // "
        const end = closingQuote(text, at)
        if (expectsName && names !== null) {
          if (++count > maxKeys) throw new StrictJsonError('names')
          name = readString(text, at, end, hasSurrogateEscapes)
          if (names.has(name)) throw new StrictJsonError('duplicate_name')
          if (name === '__proto__' || (name === 'prototype' && holders.at(-1) === 'constructor')) throw new StrictJsonError('forbidden_name')
          names.add(name)
          expectsName = false
        } else if (hasSurrogateEscapes) {
          readString(text, at, end, true)
        }
        at = end
        break
      }
      default:
    }
  }
}

function closingQuote (text: string, open: number): number {
  let quote = open
  for (;;) {
    quote = text.indexOf('"', quote + 1)
    if (quote === -1) throw new StrictJsonError('syntax')
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return quote
  }
}

function readString (text: string, open: number, end: number, checked: boolean): string {
  const raw = text.slice(open + 1, end)
  if (!raw.includes('\\')) return raw
  const value = String(parseNative(text.slice(open, end + 1)))
  if (checked && LONE_SURROGATE.test(value)) throw new StrictJsonError('lone_surrogate')
  return value
}

function parseNative (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // V8's message quotes the text
    throw new StrictJsonError('syntax')
  }
}
