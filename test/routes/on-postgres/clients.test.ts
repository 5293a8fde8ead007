import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../clients.test.ts'))
