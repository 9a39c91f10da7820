/** What is read of `/metrics` by a program that is not ours: the parser of Prometheus's own client for Python. */
import { spawnSync } from 'node:child_process'
import type { TestServer } from './server.ts'

const PYTHON = '/usr/bin/python3'
const PARSE = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
print(json.dumps([{"name": f.name, "type": f.type, "help": f.documentation, "samples": [[s.name, s.labels, s.value] for s in f.samples]}
                  for f in text_string_to_metric_families(sys.stdin.read())]))
`

export const prometheusMissing =
  spawnSync(PYTHON, ['-c', 'import prometheus_client.parser']).status !== 0 && 'python3-prometheus-client is not installed'

export interface Family {
  /** Of a counter without its `_total`. */
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly [name: string, labels: Readonly<Record<string, string>>, value: number][]
}

/** Throws what the parser complains of. */
export function parseMetrics(text: string): Family[] {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', PARSE], { input: text, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Family[]
}

export async function metricsOf({ endpoints: { http } }: TestServer): Promise<{ text: string; families: Family[] }> {
  const response = await fetch(`http://${http!.host}:${http!.port}/metrics`)
  const text = await response.text()
  return { text, families: parseMetrics(text) }
}

/** The sum of all samples with these labels; undefined: there is none. */
export function sampleOf(families: readonly Family[], name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const found = families
    .flatMap(({ samples }) => samples)
    .filter(([of, have]) => of === name && Object.entries(labels).every(([label, value]) => have[label] === value))
  return found.length === 0 ? undefined : found.reduce((sum, [, , value]) => sum + value, 0)
}
