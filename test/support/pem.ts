/** Certificates for tests. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSelfSigned } from '../../src/net/self-signed.ts'

/** A fresh self-signed pair for that name in files of a new folder. */
export function certificateFiles(hostname = 'mail.example.test', now = Date.now()): { dir: string; cert: string; key: string } {
  const dir = mkdtempSync(join(tmpdir(), 'postern-pem-'))
  const made = makeSelfSigned({ hostname, now })
  writeFileSync(join(dir, 'cert.pem'), made.cert)
  writeFileSync(join(dir, 'key.pem'), made.key)
  return { dir, cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') }
}
