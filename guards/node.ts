// The tree that guards are: what a route requires, before it is compiled for that route.
import type { FastifyRequest } from 'fastify'
import type { Refusal } from '../errors.ts'
import type { Awaitable, Principal } from './principal.ts'
import type { Limit } from './limit.ts'
import type { Scheme } from './scheme.ts'

/** What an authorization guard asks of the principal that the guards before it authenticated. */
export interface Authorization {
  readonly kind: 'scopes' | 'anyScope' | 'roles' | 'anyRole' | 'policy'
  /** The scopes or roles, or the policy's name. */
  readonly names: readonly string[]
  /** `null` allows; a refusal (403, or 404 to hide) denies. */
  authorize (context: { principal: Principal; request: FastifyRequest }): Awaitable<Refusal | null>
}

export interface SchemeNode { readonly type: 'scheme'; readonly scheme: Scheme }
export interface AuthorizationNode { readonly type: 'authorization'; readonly authorization: Authorization }
export interface LimitNode { readonly type: 'limit'; readonly limit: Limit }
/** Refuses what a browser says comes from another site, whoever sends it; `null` lets the request go on. */
export interface CrossSiteNode { readonly type: 'crossSite'; check (request: FastifyRequest): Refusal | null }
export interface PublicNode { readonly type: 'public'; readonly reason: string }
export interface CompositeNode { readonly type: 'anyOf' | 'allOf'; readonly members: readonly RequirementNode[] }
export interface OptionalNode { readonly type: 'optional'; readonly member: RequirementNode }

/** The nodes that a requirement is made of; limits, publicAccess and refuseCrossSite stand beside it. */
export type RequirementNode = SchemeNode | AuthorizationNode | CompositeNode | OptionalNode
export type GuardNode = RequirementNode | LimitNode | CrossSiteNode | PublicNode

const authorizationNames = {
  scopes: 'requireScopes',
  anyScope: 'requireAnyScope',
  roles: 'requireRoles',
  anyRole: 'requireAnyRole',
  policy: 'requirePolicy'
} as const

/** How a guard is named in the registry, in faults and in explanations. */
export function describe (node: GuardNode): string {
  switch (node.type) {
    case 'scheme': return node.scheme.name
    case 'optional': return `optional(${describe(node.member)})`
    case 'authorization': return `${authorizationNames[node.authorization.kind]}(${node.authorization.names.join(', ')})`
    case 'limit': return `limit(${node.limit.name})`
    case 'public': return 'publicAccess'
    case 'crossSite': return 'refuseCrossSite'
    default: return `${node.type}(${node.members.map(describe).join(', ')})`
  }
}

/** Whether the node authenticates; an `optional` does, for those who present something. */
export function isAuthenticating (node: GuardNode): node is SchemeNode | CompositeNode | OptionalNode {
  return node.type === 'scheme' || node.type === 'optional' || node.type === 'anyOf' || node.type === 'allOf'
}

/** The schemes of a tree, in order of writing, each once. */
export function schemesOf (node: GuardNode): Scheme[] {
  switch (node.type) {
    case 'scheme': return [node.scheme]
    case 'optional': return schemesOf(node.member)
    case 'anyOf':
    case 'allOf': return [...new Set(node.members.flatMap(schemesOf))]
    default: return []
  }
}

/** The authorizations of a tree, in order of writing. */
export function authorizationsOf (node: GuardNode): Authorization[] {
  switch (node.type) {
    case 'authorization': return [node.authorization]
    case 'optional': return authorizationsOf(node.member)
    case 'anyOf':
    case 'allOf': return node.members.flatMap(authorizationsOf)
    default: return []
  }
}

/** The node and every node inside it. */
export function nestedNodes (node: RequirementNode): RequirementNode[] {
  switch (node.type) {
    case 'optional': return [node, ...nestedNodes(node.member)]
    case 'anyOf':
    case 'allOf': return [node, ...node.members.flatMap(nestedNodes)]
    default: return [node]
  }
}
