// The one way two names are found to be the same; the database's unique index and every counter of failures build on it.

/** `text` without its differences in case and in compatible spellings: NFKC, lower case, NFKC again. */
export function fold (text: string): string {
  // Lower-casing may leave the normal form, so it is restored.
  return text.normalize('NFKC').toLowerCase().normalize('NFKC')
}
