// What our pages add to Swagger UI, as scripts of this origin: the policy of the pages allows no inline ones.
// Each is a plugin of Swagger UI, added to its configuration before the page starts it.

function withPlugin (plugin: string): string {
  return `(function () {
  'use strict'
  const start = window.SwaggerUIBundle
  window.SwaggerUIBundle = Object.assign((config) => start({ ...config, plugins: [...config.plugins, plugin] }), start)
${plugin.trim().replace(/^(?=.)/gm, '  ')}
})()
`
}

/**
 * Keeps access tokens in the `sessionStorage` of the tab until they expire or the user logs out, so that a reload does
 * not mean logging in again. Swagger UI's own `persistAuthorization` would keep passwords and API keys too, in the
 * `localStorage`, where every tab finds them for ever.
 */
export const keepTokensScript = withPlugin(`
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

function plugin () {
  return {
    statePlugins: {
      auth: {
        wrapActions: {
          authorizeOauth2: (original) => (payload) => {
            const { auth: { name, scopes }, token: { access_token, token_type, expires_in } } = payload
            if (typeof access_token === 'string') {
              write(read().set(name, { access_token, token_type, scopes, expiresAt: Date.now() + (Number(expires_in) || 3600) * 1000 }))
            }
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
      const authorized = [...kept].map(([name, { access_token, token_type, scopes }]) => [name, { name, scopes, token: { access_token, token_type } }])
      if (authorized.length > 0) authActions.restoreAuthorization({ authorized: Object.fromEntries(authorized) })
    }
  }
}
`)

/** Every form of the dialog takes the focus, so that it opens at the last of them; it should open at the first. */
export const firstFieldScript = withPlugin(`
function plugin () {
  return {
    statePlugins: {
      auth: {
        wrapActions: {
          showDefinitions: (original) => (definitions) => {
            requestAnimationFrame(() => {
              document.querySelector('.modal-ux-content :is(input, button)')?.focus()
              document.querySelector('.modal-ux-content')?.scrollTo(0, 0)
            })
            return original(definitions)
          }
        }
      }
    }
  }
}
`)
