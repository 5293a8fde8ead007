// `gatehouse doctor`: the configuration, judged by the rules of production before the service is there.
import { withAppOf } from './app-module.ts'
import { environmentFindings } from './doctor-environment.ts'
import { fileFindings } from './doctor-files.ts'
import { postureFindings } from './doctor-posture.ts'
import { placeOf } from './doctor-rules.ts'
import { coloured, show } from './output.ts'

export async function doctor ({ json = false, app }: { json?: boolean; app?: string }): Promise<void> {
  const found = [
    ...environmentFindings(process.env),
    ...await fileFindings(process.env),
    ...(app === undefined ? [] : await withAppOf(app, async (instance) => postureFindings(instance.posture())))
  ].map((finding) => ({ ...finding, docs: placeOf(finding.code) }))
  show(json, found, () => found.length === 0 ? 'nothing to mend' : found.map(({ severity, code, message, docs }) => `${coloured(severity)}  ${code}: ${message}\n  ${docs}`).join('\n'))
  if (found.length > 0) process.exitCode = 1
}
