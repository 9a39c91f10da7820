/** Memory of the server's processes as the kernel counts it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** KiB. */
export interface Memory {
  /** Proportional set size: what is shared with other processes is divided among them. */
  readonly pss: number
  /** The part of it that is no file: heap, stacks, buffers. Does not change when another process of the same program starts or ends. */
  readonly anonymous: number
}

/** Of that process and all below it that run the same program: its workers, not its Postgres. */
export function memoryOf(root: number): Memory {
  const program = readlinkSync(`/proc/${root}/exe`)
  const wanted = [root]
  for (let i = 0; i < wanted.length; i++) wanted.push(...childrenOf(wanted[i]!).filter((pid) => programOf(pid) === program))
  const rollups = wanted.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))
  const sum = (field: RegExp): number => rollups.reduce((total, rollup) => total + Number(field.exec(rollup)?.[1]), 0)
  return { pss: sum(/^Pss:\s+(\d+)/m), anonymous: sum(/^Pss_Anon:\s+(\d+)/m) }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim()
    return children === '' ? [] : children.split(' ').map(Number)
  })
}

function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return undefined
  }
}
