// What every store must do, whatever engine is behind it, for the test runner of whoever wrote one.
import { apiKeyChecks } from './stores/api-keys.ts'
import { auditChecks } from './stores/audit.ts'
import type { StoreCheck } from './stores/check.ts'
import { clientChecks } from './stores/clients.ts'
import { itemChecks } from './stores/items.ts'
import { loginAttemptChecks } from './stores/login-attempts.ts'
import { refreshTokenChecks } from './stores/refresh-tokens.ts'
import { revocationChecks } from './stores/revocations.ts'
import { sessionChecks } from './stores/sessions.ts'
import { signingKeyChecks } from './stores/signing-keys.ts'
import { commonChecks, transactionChecks } from './stores/transactions.ts'
import { userChecks } from './stores/users.ts'

export type { StoreCheck } from './stores/check.ts'

/**
 * The contract of the stores, check by check; each wants stores that are empty, and leaves it to you to close them.
 *
 * @example
 * ```ts
 * for (const { title, check } of storeContract) {
 *   test(title, async () => {
 *     const stores = await openEmpty()
 *     await check(stores).finally(() => stores.close())
 *   })
 * }
 * ```
 */
export const storeContract: readonly StoreCheck[] = Object.freeze([
  ...userChecks,
  ...itemChecks,
  ...clientChecks,
  ...apiKeyChecks,
  ...refreshTokenChecks,
  ...revocationChecks,
  ...sessionChecks,
  ...loginAttemptChecks,
  ...signingKeyChecks,
  ...auditChecks,
  ...transactionChecks,
  ...commonChecks
])
