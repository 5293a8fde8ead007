// What `fastify-gatehouse/testing` exports.
import './development-only.ts'

export { as } from './as.ts'
export { attack, surfaceOf } from './attack/attack.ts'
export { runAttempts } from './attack/attempts.ts'
export { jsonOf, sarifOf, summaryOf, totalsOf } from './attack/report.ts'
export { testClock } from './clock.ts'
export { expectDenied } from './expect-denied.ts'
export { storeContract } from './store-contract.ts'
export type { ActingClient, TestPrincipal } from './as.ts'
export type { AttackTotals } from './attack/report.ts'
export type {
  AskedCredentials, Attempt, AttackCredentials, AttackedAlternative, AttackedRoute, AttackExample, AttackKind, AttackOptions, AttackResult, AttackSchema, MintedCredentials
} from './attack/types.ts'
export type { TestClock } from './clock.ts'
export type { Denial, DeniedResponse } from './expect-denied.ts'
export type { StoreCheck } from './store-contract.ts'
