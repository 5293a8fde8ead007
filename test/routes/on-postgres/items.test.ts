import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../items.test.ts'))
