import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../pages.test.ts'))
