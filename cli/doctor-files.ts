// The files that the configuration names: whether they are there, good, and closed to others.
import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { loadKeyFile } from '../credentials/key-file.ts'
import { ConfigurationError } from '../config.ts'
import { explain } from '../explain.ts'
import { readCertificate } from '../tls.ts'
import { asProduction } from './doctor-environment.ts'
import { finding } from './doctor-rules.ts'
import type { Configuration } from '../config.ts'
import type { DoctorFinding } from './doctor-rules.ts'

const SOON_DAYS = 30
const DAY_MS = 86_400_000

export async function fileFindings (environment: Readonly<Record<string, string | undefined>>): Promise<DoctorFinding[]> {
  const configuration = asProduction(environment)
  if (configuration instanceof ConfigurationError) return []
  return [...await keyFindings(configuration), ...await certificateFindings(configuration), ...await directoryFindings(configuration)]
}

async function keyFindings ({ tokenKeyFile }: Configuration): Promise<DoctorFinding[]> {
  return await loadKeyFile(tokenKeyFile).then(() => [], (error: unknown) => [finding('token-key', explain(error))])
}

async function certificateFindings ({ tls }: Configuration): Promise<DoctorFinding[]> {
  if (tls === null) return []
  try {
    const { validTo } = new X509Certificate((await readCertificate(tls)).cert)
    const days = Math.floor((Date.parse(validTo) - Date.now()) / DAY_MS)
    return days < SOON_DAYS ? [finding('certificate-ends', `TLS_CERT_FILE: ${tls.certFile} ends in ${String(days)} days, on ${validTo}`)] : []
  } catch (error) {
    return [finding('certificate', explain(error))]
  }
}

/** One that is not there is made with the right mode. */
async function directoryFindings ({ dataDirectory, databaseUrl }: Configuration): Promise<DoctorFinding[]> {
  if (databaseUrl !== null) return []
  // eslint-disable-next-line security/detect-non-literal-fs-filename -- the operator's own choice
  const found = await stat(dataDirectory).catch(() => null)
  if (found === null) return []
  if (!found.isDirectory()) return [finding('data-directory', `DATA_DIR: ${dataDirectory} is no directory`)]
  return process.platform !== 'win32' && (found.mode & 0o007) !== 0 ? [finding('data-directory', `DATA_DIR: ${dataDirectory} is open to everybody on this machine; chmod 700 it`)] : []
}
