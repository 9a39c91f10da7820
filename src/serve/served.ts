/** What is served where, as a host says it of itself to others. */
import { type Config, SERVICES, type ServiceName } from '../config/schema.ts'
import { type Endpoints, readEndpoints } from './endpoints.ts'
import { KINDS } from './kinds.ts'

/** A server that runs knows best where it listens. */
export function servedPorts({ listeners }: Pick<Config, 'listeners'>, running: Pick<Endpoints, 'listeners'> | undefined): Map<ServiceName, number> {
  const ports = new Map<ServiceName, number>()
  for (const service of SERVICES) {
    const { enabled = !KINDS[service].onRequest, port } = listeners?.[service] ?? {}
    const bound = running?.listeners.find((one) => one.service === service)?.port
    if (enabled) ports.set(service, bound ?? port ?? KINDS[service].standard)
  }
  return ports
}

export const portsOf = (config: Config, dataDir: string): Map<ServiceName, number> => servedPorts(config, readEndpoints(dataDir))
