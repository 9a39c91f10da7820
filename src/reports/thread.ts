/** The thread that reads one message with reports, and ends: src/reports/reader.ts starts it and bounds its memory and its time. */
import { parentPort, workerData } from 'node:worker_threads'
import { readReports } from './read.ts'

const { message } = workerData as { readonly message: Uint8Array }
const read = await readReports(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
parentPort!.postMessage(read)
