/** Rspamd, which says whether signatures and chains of seals hold: Debian package `rspamd`. Without Redis and maps, and it rejects nothing. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Program, startProgram } from './programs.ts'

export interface Rspamd extends Program {
  /** Names of the symbols that it finds, each with its options. */
  judge(text: string): Promise<Record<string, string[]>>
}

const PLUGINS = '/usr/share/rspamd/plugins'
/** Of no network that it takes for its own: what comes from there it does not check. */
const FROM = '192.0.2.1'

export async function startRspamd({ dir: parent, port }: { readonly dir: string; readonly port: number }): Promise<Rspamd> {
  const dir = join(parent, 'rspamd')
  mkdirSync(dir)
  writeFileSync(join(dir, 'tld.dat'), 'test\n')
  writeFileSync(
    join(dir, 'conf'),
    `options {
  tempdir = "${dir}"; hs_cache_dir = "${dir}"; pidfile = "${dir}/pid"; control_socket = "${dir}/control mode=0600";
  dns { nameserver = ["127.0.0.1:53"]; timeout = 2s; retransmits = 2; }
  url_tld = "${dir}/tld.dat"; filters = "dkim";
}
logging { type = "console"; level = "info"; }
actions { reject = 1000; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
modules { path = "${PLUGINS}/arc.lua"; }
dkim { }
arc { }
group "checked" { symbols = { R_DKIM_ALLOW { weight = 0; } ARC_ALLOW { weight = 0; } ARC_REJECT { weight = 0; } ARC_INVALID { weight = 0; } ARC_NA { weight = 0; } } }
`,
  )
  const args = ['-f', '-i', '-c', join(dir, 'conf'), '-u', 'root', '-g', 'root']
  const program = await startProgram('rspamd', { args, log: join(dir, 'log'), at: { host: '127.0.0.1', port } })
  return {
    get output() {
      return program.output
    },
    pause: () => program.pause(),
    resume: () => program.resume(),
    close: () => program.close(),
    async judge(text) {
      const answer = await fetch(`http://127.0.0.1:${port}/checkv2`, { method: 'POST', headers: { Ip: FROM }, body: Buffer.from(text, 'latin1') })
      const { symbols } = (await answer.json()) as { symbols: Record<string, { options?: string[] }> }
      return Object.fromEntries(Object.entries(symbols).map(([name, { options = [] }]) => [name, options]))
    },
  }
}
