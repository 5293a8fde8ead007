import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../api-keys.test.ts'))
