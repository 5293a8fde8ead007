import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../passwords.test.ts'))
