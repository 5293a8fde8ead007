import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../service.test.ts'))
