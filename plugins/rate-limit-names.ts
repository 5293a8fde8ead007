// What limits are called.
import { invalid } from '../guards/scheme-options.ts'
import type { Registry } from '../guards/registry.ts'

/** Names in use: two limits of a service under one name could not be told apart in an answer. */
const namesInUse = new WeakMap<Registry, Set<string>>()

/** The name given, or else the derived one, numbered where it is taken. */
export function takeName (registry: Registry, { name, derivedName }: { readonly name: string | undefined; readonly derivedName: string }): string {
  const taken = namesInUse.get(registry) ?? new Set<string>()
  namesInUse.set(registry, taken)
  if (name !== undefined && taken.has(name)) throw invalid('limit.name', `${name} is taken by another limit`)
  let free = name ?? derivedName
  for (let copy = 2; taken.has(free); copy += 1) free = `${derivedName}-${String(copy)}`
  taken.add(free)
  return free
}
