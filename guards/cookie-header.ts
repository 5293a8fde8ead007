// Reading `Cookie` (RFC 6265bis §4.2): every value under a name. Only SP and HTAB are trimmed: whoever trims more, as
// `trim()` does, takes a cookie for `__Host-…` that a browser let a sibling domain set.

/** The values of all cookies of that name, in the order of the header. */
export function cookieValues (header: string, name: string): string[] {
  const values: string[] = []
  for (let from = 0; from < header.length;) {
    const semicolon = header.indexOf(';', from)
    const to = semicolon === -1 ? header.length : semicolon
    let start = from
    while (isSpace(header.charCodeAt(start))) start += 1
    if (header.startsWith(name, start) && header.charCodeAt(start + name.length) === 0x3d) {
      let end = to
      while (isSpace(header.charCodeAt(end - 1))) end -= 1
      values.push(header.slice(start + name.length + 1, end))
    }
    from = to + 1
  }
  return values
}

function isSpace (code: number): boolean {
  return code === 0x20 || code === 0x09
}
