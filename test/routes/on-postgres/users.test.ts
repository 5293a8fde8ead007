import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../users.test.ts'))
