// Hand-written `schema.security` without a guard: documented, not enforced. It is refused at boot, or adopted:
// then the requirement that was written is compiled into the guards it asks for.
import { fault } from '../errors.ts'
import { requireNames } from './authorization.ts'
import { compilePlan } from './plan.ts'
import type { RequirementNode } from './node.ts'
import type { Registry } from './registry.ts'
import type { SecurityRequirement } from './requirement.ts'

/** Settles, when all schemes are known, every route whose requirement was only written. */
export function settleWrittenSecurity (registry: Registry): void {
  for (const record of registry.routes) {
    const { written } = record
    if (written === null) continue
    const place = `${record.methods.join(', ')} ${record.url}`
    if (registry.options.adoptSchemaSecurity !== true) {
      if (written.length > 0) throw fault('GATEHOUSE_SECURITY_NOT_ENFORCED', place)
      continue
    }
    const node = nodeFor(written, registry, place)
    record.plan = compilePlan([...record.plan.guards, { node, level: 'route' }], place)
  }
}

function nodeFor (written: readonly SecurityRequirement[], registry: Registry, place: string): RequirementNode | { type: 'public'; reason: string } {
  const alternatives = written.filter((alternative) => Object.keys(alternative).length > 0).map((alternative): RequirementNode => ({
    type: 'allOf',
    members: Object.entries(alternative).map(([name, scopes]): RequirementNode => {
      const scheme = registry.schemes.get(name)
      if (scheme === undefined) throw fault('GATEHOUSE_SECURITY_UNKNOWN', `${place}: ${name}`)
      const node: RequirementNode = { type: 'scheme', scheme }
      return scopes.length === 0 ? node : { type: 'allOf', members: [node, { type: 'authorization', authorization: requireNames('scopes', scopes) }] }
    })
  }))
  if (alternatives.length === 0) return { type: 'public', reason: 'schema.security is empty' }
  const node: RequirementNode = { type: 'anyOf', members: alternatives }
  return alternatives.length < written.length ? { type: 'optional', member: node } : node
}
