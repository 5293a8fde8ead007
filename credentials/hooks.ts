// Asks a hook of the service. One that fails or does not answer is 503: nobody is let in, and nothing accepted, instead.
import { refusal } from '../errors.ts'

const TIMEOUT_MS = 5000

/** What `ask` gives, `name` being the option that it is; throws `unavailable` when it throws, rejects or takes over 5 s. */
export async function askHook<T> (name: string, ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(reject, TIMEOUT_MS, new Error(`no answer in ${TIMEOUT_MS} ms`))
  })
  try {
    return await Promise.race([ask(), late])
  } catch (cause) {
    throw refusal('unavailable', { retryAfterSeconds: 1, reason: `${name} failed`, cause })
  } finally {
    clearTimeout(timer)
  }
}
