import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../refresh.test.ts'))
