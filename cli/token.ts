// `gatehouse token mint`: a token without a login, for whoever tries the service on their own machine.
import { CommandFailure } from './failure.ts'
import { show } from './output.ts'
import { findUser, withService } from './service.ts'

export async function mintToken ({ json = false, user, scope }: { json?: boolean; user: string; scope?: string[] }): Promise<void> {
  const { accessToken, expiresInSeconds } = await withService(async (app, { development }) => {
    if (!development) throw new CommandFailure('token mint is for development: in production nobody gets a token without a login')
    const owner = await findUser(app, user)
    if (owner.disabled) throw new CommandFailure(`${user} is disabled`)
    const allowed = app.accounts.scopesOf(owner)
    const lacking = scope?.find((name) => !allowed.includes(name))
    if (lacking !== undefined) throw new CommandFailure(`${user} may not have the scope ${lacking}; there are ${allowed.join(', ')}`)
    return app.tokens.issue({ subject: owner.id, clientId: 'demo', scopes: scope ?? allowed })
  })
  show(json, { access_token: accessToken, token_type: 'Bearer', expires_in: expiresInSeconds }, () => accessToken)
}
