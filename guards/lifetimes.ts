// How long what the plugins hand out lives, told by each of them, for the posture of the service.

/** Any encapsulation context: they all have the server of their root. */
interface Context { readonly server: object }

/** Seconds, or what a cookie is written with. */
export type Lifetimes = Readonly<Record<string, number | string>>

const told = new WeakMap<object, Map<string, Lifetimes>>()

/** Tells of what is handed out under this name. */
export function tellLifetimes ({ server }: Context, name: string, lifetimes: Lifetimes): void {
  const known = told.get(server) ?? new Map<string, Lifetimes>()
  told.set(server, known.set(name, Object.freeze({ ...lifetimes })))
}

/** What was told of the server, by name. */
export function lifetimesOf ({ server }: Context): Record<string, Lifetimes> {
  return Object.fromEntries([...told.get(server) ?? []].sort(([one], [other]) => (one < other ? -1 : 1)))
}
