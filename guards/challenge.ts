// The one writer of `WWW-Authenticate` values (RFC 9110 §11.6.1): quoted strings are escaped here and nowhere else.

// qdtext and quoted-pair of RFC 9110 §5.6.4 without obs-text, so that no peer has to guess a charset.
const QUOTABLE = /^[\t\x20-\x7e]*$/

/** Whether `text` can stand in a quoted string: printable ASCII, space and tab. */
export function isQuotable (text: string): boolean {
  return QUOTABLE.test(text)
}

/**
 * A challenge: `formatChallenge('Bearer', { realm: 'api' })` is `Bearer realm="api"`.
 * Parameters that are `undefined` are left out; the others keep the order they are written in.
 */
export function formatChallenge (scheme: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const written: string[] = []
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue
    if (!isQuotable(value)) throw new TypeError(`the ${name} of a ${scheme} challenge must be printable ASCII`)
    written.push(`${name}="${value.replace(/["\\]/g, '\\$&')}"`)
  }
  return `${scheme} ${written.join(', ')}`
}
