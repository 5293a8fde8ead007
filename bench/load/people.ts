export const password = 'a lamp beside the harbour'
export const nameOf = (person: number): string => `person-${String(person)}`

/** The address of a client, for the proxy that the load plays. */
export function addressOf (client: number): string {
  return `10.${String((client >> 16) & 255)}.${String((client >> 8) & 255)}.${String(client & 255)}`
}
