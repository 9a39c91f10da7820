/** Secrets: from the environment, from a file that the environment names (`X_FILE`), from the config or from a file that it names (`x_file`), in this order. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { faultOf } from '../file-faults.ts'
import { ConfigRefused, complain, type Source } from './complain.ts'
import { type Env, set } from './places.ts'
import type { Config } from './schema.ts'

export interface Secrets {
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  readonly relayPassword: string | undefined
  /** Of each of `outbound.routes`, in order. */
  readonly routePasswords: readonly (string | undefined)[]
  /** Of rspamd's controller. */
  readonly rspamdPassword: string | undefined
  /** For asking the issuer about tokens. */
  readonly oidcSecret: string | undefined
}

/** Throws ConfigRefused that names the variable, or the line, and the file. */
export function readSecrets({ config, source }: { readonly config: Config; readonly source: Source }, env: Env): Secrets {
  const text = (file: string): string => readFileSync(file, 'utf8').replace(/\r?\n$/, '')

  const fromEnv = (name: string): string | undefined => {
    const [direct, file] = [set(env, name), set(env, `${name}_FILE`)]
    if (direct !== undefined && file !== undefined) throw new ConfigRefused(`${name} and ${name}_FILE are both set: keep one`)
    if (file === undefined) return direct
    try {
      return text(file) || undefined
    } catch (cause) {
      throw new ConfigRefused(`${name}_FILE names ${file}, which cannot be read: ${faultOf(cause)}`, { cause })
    }
  }

  const fromConfig = (path: readonly string[], direct: string | undefined, file: string | undefined): string | undefined => {
    if (file === undefined) return direct
    const where = resolve(dirname(source.file), file)
    try {
      return text(where)
    } catch (cause) {
      throw complain(source, path, `${path.join('.')} names ${where}, which cannot be read: ${faultOf(cause)}`)
    }
  }

  const { database, redis, relay, outbound, scan, oidc } = config
  const { client_secret: secret, client_secret_file: secretFile } = oidc?.introspection ?? {}
  return {
    databaseUrl: fromEnv('DATABASE_URL') ?? fromConfig(['database', 'url_file'], database?.url, database?.url_file),
    redisUrl: fromEnv('REDIS_URL') ?? fromConfig(['redis', 'url_file'], redis?.url, redis?.url_file),
    relayPassword: fromEnv('POSTERN_RELAY_PASSWORD') ?? fromConfig(['relay', 'password_file'], relay?.password, relay?.password_file),
    routePasswords: (outbound?.routes ?? []).map((route, i) =>
      fromConfig(['outbound', 'routes', `${i}`, 'password_file'], route.password, route.password_file),
    ),
    rspamdPassword:
      fromEnv('POSTERN_RSPAMD_PASSWORD') ?? fromConfig(['scan', 'rspamd', 'password_file'], scan?.rspamd?.password, scan?.rspamd?.password_file),
    oidcSecret: fromConfig(['oidc', 'introspection', 'client_secret_file'], secret, secretFile),
  }
}

/** Every file that the config names, by its words there. */
export function filesNamed({ tls, relay, outbound, database, redis, scan, oidc }: Config): string[] {
  const mail = [relay, ...(outbound?.routes ?? [])].flatMap((way) => [way?.password_file, way?.ca])
  const others = [database?.url_file, redis?.url_file, scan?.rspamd?.password_file, oidc?.introspection?.client_secret_file]
  const certificate = [tls?.cert, tls?.key, tls?.acme?.ca, tls?.acme?.external_account?.hmac_file]
  return [...new Set([...certificate, ...mail, ...others])].filter((file) => file !== undefined)
}
