// Principals that the test kit hands to a scheme in place of credentials, each for one request that the kit makes itself.
// A request is known by the class that `inject` made it of: nothing that it says, and nobody on a socket, can stand in for it.
import { fault } from '../errors.ts'
import { isDevelopment } from './environment.ts'
import type { Principal } from './principal.ts'

/** What the scheme of `principal` answers for the requests of one test. */
export interface Planted {
  readonly principal: Principal
  /** What the CSRF tokens of these requests are bound to, where the scheme has such. */
  readonly csrfSecret: string
}

const planted = new WeakMap<object, Planted>()
let isUsed = false

/** From here on, requests that inherit from `prototype` are the principal's. Throws `GATEHOUSE_TESTING_IN_PRODUCTION` there. */
export function plant (prototype: object, outcome: Planted): void {
  if (!isDevelopment()) throw fault('GATEHOUSE_TESTING_IN_PRODUCTION', 'as()')
  planted.set(prototype, outcome)
  isUsed = true
}

/** What was planted in the scheme of that name for this request; `null` for every request of a service that is no test. */
export function plantedIn (schemeName: string, raw: object | undefined): Planted | null {
  if (!isUsed || raw === undefined) return null
  for (let prototype = Object.getPrototypeOf(raw) as object | null; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
    const found = planted.get(prototype)
    if (found !== undefined) return found.principal.scheme === schemeName ? found : null
  }
  return null
}
