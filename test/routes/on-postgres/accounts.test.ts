import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../accounts.test.ts'))
