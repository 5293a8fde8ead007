// Development is `NODE_ENV=development` or `test`; anything else, unset too, is production.

export function isDevelopment (): boolean {
  return process.env.NODE_ENV === 'development' || process.env.NODE_ENV === 'test'
}
