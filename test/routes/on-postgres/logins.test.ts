import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../logins.test.ts'))
