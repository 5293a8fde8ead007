import { onPostgres } from '../../fixtures/on-postgres.ts'

await onPostgres(() => import('../session.test.ts'))
