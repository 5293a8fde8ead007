// Keeps the access token of an OAuth 2.0 login across reloads of Swagger UI, so that developing does not mean logging
// in again after every change. Swagger UI's own `persistAuthorization` would write passwords and API keys too, and
// where every tab finds them for ever.

/**
 * A script for the page of Swagger UI, before it starts: it keeps access tokens in the `sessionStorage` of the tab until
 * they expire or the user logs out. Refresh tokens, passwords and keys stay in memory.
 */
export const tokenScript = `(function () {
  'use strict'
  const place = 'gatehouse.tokens ' + location.pathname.replace(/[/]+$/, '')

  function read () {
    try {
      const kept = Object.entries(JSON.parse(sessionStorage.getItem(place)))
      return new Map(kept.filter(([, { expiresAt }]) => expiresAt > Date.now()))
    } catch {
      return new Map()
    }
  }

  function write (kept) {
    try {
      if (kept.size === 0) sessionStorage.removeItem(place)
      else sessionStorage.setItem(place, JSON.stringify(Object.fromEntries(kept)))
    } catch (error) {
      console.warn('The access token is not kept.', error)
    }
  }

  function keepTokens () {
    return {
      statePlugins: {
        auth: {
          wrapActions: {
            authorizeOauth2: (original) => (payload) => {
              const { auth: { name, scopes }, token: { access_token, token_type, expires_in } } = payload
              const kept = read()
              if (typeof access_token === 'string') {
                kept.set(name, { access_token, token_type, scopes, expiresAt: Date.now() + (Number(expires_in) || 3600) * 1000 })
              }
              write(kept)
              return original(payload)
            },
            logout: (original) => (names) => {
              const kept = read()
              for (const name of names) kept.delete(name)
              write(kept)
              return original(names)
            }
          }
        }
      },
      afterLoad ({ authActions }) {
        const kept = read()
        write(kept)
        if (kept.size === 0) return
        const authorized = [...kept].map(([name, { access_token, token_type, scopes }]) => [name, { name, scopes, token: { access_token, token_type } }])
        authActions.restoreAuthorization({ authorized: Object.fromEntries(authorized) })
      }
    }
  }

  const start = window.SwaggerUIBundle
  window.SwaggerUIBundle = Object.assign((config) => start({ ...config, plugins: [...config.plugins, keepTokens] }), start)
})()
`
