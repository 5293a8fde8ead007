import t from 'tap'
import { writeFileSync } from 'node:fs'
import { buildDemo } from '../demo.ts'
const { app } = await buildDemo(t)
writeFileSync('/work/main/.tap/oas/openapi.json', (await app.inject('/openapi.json')).body)

