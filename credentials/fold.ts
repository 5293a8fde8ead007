// The form in which two names are compared; the database's unique index builds on it. Unicode's default case folding
// without a table of its own: `ß` and `SS`, and the three sigmas, are each one.

/** `text` without its differences in case and in compatible spellings. */
export function fold (text: string): string {
  // Lower case first, as only `ẞ` in lower case has an upper case of two letters. A sigma's lower case depends on what
  // stands around it. Changing case may leave the normal form, so it is restored.
  return text.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC')
}
