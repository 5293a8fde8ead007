import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../audit.test.ts'))
