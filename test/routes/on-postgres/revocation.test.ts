import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../revocation.test.ts'))
