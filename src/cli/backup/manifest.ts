/** `backup.json`, the first entry: what the backup has. */
import { z } from 'zod'
import { ArchiveRefused, type Entry } from './archive.ts'

export const MANIFEST = 'backup.json'
export const FORMAT = 1
export const CONFIG = 'config/postern.yaml'
/** Files that the config names by a path below its own folder. */
export const BESIDE = 'config/beside/'
/** The self-signed certificate and its key, and whatever else the data folder keeps as files. */
export const TLS = 'data-folder/tls/'
export const ROWS = 'rows/'

const schema = z.object({
  format: z.literal(FORMAT),
  postern: z.string(),
  at: z.string(),
  server: z.string(),
  migrations: z.array(z.string().regex(/^\d{4}_\w+\.sql$/)),
  tables: z.array(z.object({ name: z.string().min(1), columns: z.array(z.string().min(1)) })),
})
export type Manifest = z.output<typeof schema>

export function readManifest({ path, octets }: Entry): Manifest {
  if (path !== MANIFEST) throw new ArchiveRefused('this is no backup of Postern: it does not begin with its list')
  const text: unknown = JSON.parse(octets.toString('utf8'))
  if ((text as { format?: unknown }).format !== FORMAT)
    throw new ArchiveRefused('the backup was made by a newer Postern: restore it with that version')
  return schema.parse(text)
}

/** What this host knows of its database: see store/pg/mark.ts. */
export const MARK = 'postern.mark'
