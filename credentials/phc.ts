// Reads a stored argon2id hash, and only one whose cost is bounded: a poisoned record must not stop the service.

/** The cost of a hash (RFC 9106 §3.1). */
export interface HashCost {
  memoryKiB: number
  timeCost: number
  parallelism: number
}

/** What no hash may exceed, stored or configured. */
export const COST_LIMITS: Readonly<HashCost> = { memoryKiB: 1024 * 1024, timeCost: 10, parallelism: 16 }

/** Length of what we write, in bytes. */
export const SALT_BYTES = 16
export const TAG_BYTES = 32

// Salt and tag are 16 to 64 bytes of base64 without padding; no other parameter (keyid, data) is ever ours.
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$[A-Za-z0-9+/]{22,86}\$[A-Za-z0-9+/]{22,86}$/

/** The cost of a PHC string; `null` when it is not argon2id version 19 or exceeds {@link COST_LIMITS}. */
export function costOf (passwordHash: string): HashCost | null {
  const parts = PHC.exec(passwordHash)
  if (parts === null) return null
  const cost = { memoryKiB: Number(parts[1]), timeCost: Number(parts[2]), parallelism: Number(parts[3]) }
  return isBounded(cost) ? cost : null
}

/** Whether argon2 can run with this cost and may (RFC 9106 §3.1: at least 8 KiB a lane). */
export function isBounded ({ memoryKiB, timeCost, parallelism }: HashCost): boolean {
  return timeCost >= 1 && timeCost <= COST_LIMITS.timeCost &&
    parallelism >= 1 && parallelism <= COST_LIMITS.parallelism &&
    memoryKiB >= 8 * parallelism && memoryKiB <= COST_LIMITS.memoryKiB
}

/** A PHC string; the hash of nothing when `salt` and `tag` are random. */
export function formatPhc (cost: HashCost, { salt, tag }: { salt: Buffer; tag: Buffer }): string {
  const [saltText, tagText] = [salt, tag].map((bytes) => bytes.toString('base64').replace(/={1,2}$/, ''))
  return `$argon2id$v=19$m=${cost.memoryKiB},t=${cost.timeCost},p=${cost.parallelism}$${saltText}$${tagText}`
}
