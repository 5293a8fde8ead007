// The certificate of the demo: read at start, and again when the process is told to (SIGHUP), with bounds that hold for
// every connection: TLS 1.2 or later, forward secrecy and AEAD alone (RFC 9325 §3 and §4, ASVS 12.1).
import { X509Certificate, constants, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { ConfigurationError } from './config.ts'
import type { KeyObject } from 'node:crypto'
import type { Server } from 'node:https'
import type { FastifyInstance } from 'fastify'

/** The PEM files: a certificate with those that it was issued by, and its private key. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface SecureOptions {
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2'
  readonly ciphers: string
  readonly secureOptions: number
}

// Node's own list has CBC and RSA key exchange at its end.
const ciphers = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'
].join(':')

/** Reads and judges both files; throws {@link ConfigurationError} with one line that tells nothing of the key. */
export async function readCertificate ({ certFile, keyFile }: CertificateFiles): Promise<SecureOptions> {
  const [cert, key] = await Promise.all([readText('TLS_CERT_FILE', certFile), readText('TLS_KEY_FILE', keyFile)])
  const certificate = attempt(() => new X509Certificate(cert), `TLS_CERT_FILE: ${certFile} holds no certificate in PEM`)
  const privateKey = attempt(() => createPrivateKey(key), `TLS_KEY_FILE: ${keyFile} holds no private key in PEM, or one that asks for a passphrase`)
  assertFit(certificate, privateKey, certFile)
  const options: SecureOptions = Object.freeze({ cert, key, minVersion: 'TLSv1.2', ciphers, secureOptions: constants.SSL_OP_NO_RENEGOTIATION })
  // OpenSSL has the last word: on keys that are too short, and on the rest of the chain.
  attempt(() => createSecureContext(options), `TLS_CERT_FILE: OpenSSL refuses ${certFile}`)
  return options
}

async function readText (variable: string, file: string): Promise<string> {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- the operator's own choice
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigurationError(`${variable}: ${error instanceof Error ? error.message : file}`)
  }
}

function attempt<T> (make: () => T, otherwise: string): T {
  try {
    return make()
  } catch {
    throw new ConfigurationError(otherwise)
  }
}

function assertFit (certificate: X509Certificate, key: KeyObject, certFile: string): void {
  if (!certificate.checkPrivateKey(key)) throw new ConfigurationError(`TLS_KEY_FILE: it is not the key of ${certFile}`)
  if (Date.parse(certificate.validTo) <= Date.now()) throw new ConfigurationError(`TLS_CERT_FILE: ${certFile} expired on ${certificate.validTo}`)
}

/** Reads the files again on SIGHUP: connections from then on get the new certificate, or the old one if the new one is bad. */
export function reloadOnHangup (app: FastifyInstance, files: CertificateFiles): void {
  let last = Promise.resolve()
  process.on('SIGHUP', () => { last = last.then(() => reload(app, files)) })
}

async function reload (app: FastifyInstance, files: CertificateFiles): Promise<void> {
  try {
    const options = await readCertificate(files)
    ;(app.server as unknown as Server).setSecureContext(options)
    const { fingerprint256, validTo } = new X509Certificate(options.cert)
    app.log.info({ fingerprint256, validTo }, 'the certificate was replaced')
  } catch (error) {
    app.log.error({ err: error }, 'the certificate was not replaced; the one before it stays')
  }
}
