/** The table in Markdown. */
import { median } from './machine.ts'
import type { Run, Workload } from './workloads.ts'

/** One run of one workload on one server. */
export interface Sample extends Run {
  /** Milliseconds of CPU of all of the server's processes, for all operations, work put off included. */
  readonly cpu: number
  readonly wal: number | undefined
  /** Milliseconds that the work put off took afterwards. */
  readonly settle: number
}

export interface Result {
  readonly workload: Workload
  readonly ours: readonly Sample[]
  readonly theirs: readonly Sample[]
}

const figures = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.figure)

/** Above 1 we are faster. */
export function ratio({ workload, ours, theirs }: Result): number {
  const [a, b] = [median(figures(ours)), median(figures(theirs))]
  return workload.unit === 'ms' ? b / a : a / b
}

const short = (n: number): string => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2))

function cell(samples: readonly Sample[], unit: string): string {
  const all = figures(samples)
  const parts = samples.flatMap(({ part }) => (part ? [part] : []))
  const part = parts.length > 0 ? `, ${parts[0]!.name} ${short(median(parts.map(({ ms }) => ms)))} ms` : ''
  return `${short(median(all))} ${unit} (${short(Math.min(...all))}–${short(Math.max(...all))})${part}`
}

/** Of one operation; ticks are 10 ms, so all rounds together. */
const cpu = (samples: readonly Sample[]): string =>
  short(samples.reduce((sum, sample) => sum + sample.cpu, 0) / samples.reduce((sum, sample) => sum + sample.operations, 0))

const HEAD = ['workload', 'Postern', 'Dovecot', 'ratio', 'CPU ms per op: Postern', 'Dovecot', 'WAL KB per op', 'fold ms per run']

export function table(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { workload, ours, theirs } = result
    const wal = median(ours.map((sample) => (sample.wal ?? 0) / sample.operations)) / 1024
    return [
      workload.name,
      cell(ours, workload.unit),
      cell(theirs, workload.unit),
      `**${ratio(result).toFixed(2)}**`,
      cpu(ours),
      cpu(theirs),
      workload.writes ? short(wal) : '–',
      workload.writes ? short(median(ours.map((sample) => sample.settle))) : '–',
    ]
  })
  return [HEAD, HEAD.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
