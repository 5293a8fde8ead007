// Ids that sort by the time they were made (RFC 9562 §5.7), also within one millisecond and when the clock steps back.
import { randomBytes, randomInt } from 'node:crypto'

const COUNTER_END = 0x1000
// The counter starts in its lower half, so that at least 2048 ids fit before it runs over (RFC 9562 §6.2, method 1).
const COUNTER_SEED = 0x800

/** The form of a UUIDv7 as {@link uuidV7} writes it. */
export const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

let lastTime = 0
let counter = 0

/** A UUIDv7 greater than every one this process made before; `now` is in milliseconds since the epoch. */
export function uuidV7 (now: number = Date.now()): string {
  if (now <= lastTime) counter++
  if (now > lastTime || counter === COUNTER_END) {
    lastTime = Math.max(now, lastTime + 1)
    counter = randomInt(COUNTER_SEED)
  }
  return written(lastTime, counter)
}

/** UUIDv7s of moments that are past, in their order; `times` ascend. */
export function pastUuidsV7 (times: readonly number[]): string[] {
  let last = -1
  let next = 0
  return times.map((time) => {
    next = time === last && next + 1 < COUNTER_END ? next + 1 : randomInt(COUNTER_SEED)
    last = time
    return written(time, next)
  })
}

function written (time: number, count: number): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(time, 0, 6)
  bytes.writeUInt16BE(0x7000 | count, 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** When a UUIDv7 was made. */
export function timeOfUuidV7 (id: string): Date {
  return new Date(parseInt(id.replace('-', '').slice(0, 12), 16))
}

/** What every UUIDv7 of that moment or later is not less than, and every earlier one is less than. */
export function firstUuidV7 (time: Date): string {
  const hex = Math.min(Math.max(time.getTime(), 0), 0xffffffffffff).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
