// What a posture tells that is wrong with a service anywhere.
import { finding } from './doctor-rules.ts'
import type { Posture } from '../guards/posture.ts'
import type { DoctorFinding } from './doctor-rules.ts'

export function postureFindings ({ headers, schemes, routes }: Posture): DoctorFinding[] {
  return [
    ...routes.filter(({ access }) => access === 'undeclared').map(({ method, url }) => finding('route-undeclared', `${method} ${url} has neither a guard nor publicAccess`)),
    ...(headers === null ? [finding('headers-missing', 'securityHeaders is not registered on the root')] : []),
    ...Object.entries(schemes).filter(([, scheme]) => scheme.in === 'query').map(([name]) => finding('credentials-in-query', `${name} travels in the query, which logs and histories keep`)),
    ...routes.filter(({ loose }) => loose.length > 0).map(({ method, url, loose }) => finding('body-loose', `${method} ${url}: ${loose.join('; ')}`))
  ]
}
