import { createReadStream, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import { openDelimitedFile } from '../import/delimited-file.ts';
import { fieldOf, rowOfFields, type MeterColumn } from './meter-columns.ts';

/** The rows of a file for the registry, as lines of NDJSON: of delimited text with a header, or of NDJSON as it is, either plain or gzip. */

export interface FilePlan {
  /** Which column a field is in, where that is called otherwise. */
  columns: ReadonlyMap<MeterColumn, string>;
  /** Of every row that has no such column. */
  constants: ReadonlyMap<MeterColumn, string>;
  /** null: the one of , ; tab | that the first line has most of. */
  delimiter: string | null;
}

export interface FileSink {
  /** A row, as it is sent. */
  row(json: string, line: number): void;
  unreadable(line: number, reason: string): void;
  /** Awaited now and then, so that memory is bounded. */
  drained(): Promise<void>;
  /** Columns that no field is of. */
  notTaken(headers: readonly string[]): void;
}

/** Longer ones are no row of a registry. */
const LINE_CHARS_MAX = 64 * 1024;
const LINES_A_DRAIN = 1_000;

/** Reads all of it. `onRead`: bytes of the file so far. Throws OperationalError `file_unreadable`, `file_damaged`, `usage`. */
export async function readMeterFile(path: string, plan: FilePlan, sink: FileSink, onRead: (bytes: number) => void): Promise<void> {
  if (await isNdjson(path)) return readNdjson(path, sink, onRead);
  const file = await openDelimitedFile(path, plan.delimiter);
  let fields: (readonly [MeterColumn, number])[] | null = null;
  let fault: OperationalError | null = null;
  await file.read(
    {
      row(cells, line) {
        try {
          if (fields === null) fields = fieldsOfHeader(cells, plan, sink);
          else if (cells.length > 1 || cells[0] !== '') sink.row(JSON.stringify(rowOfFields([...plan.constants, ...fields.map(([field, at]) => [field, cells[at] ?? ''] as const)])), line);
        } catch (error) {
          if (!(error instanceof OperationalError)) throw error;
          fault ??= error;
          fields = [];
        }
      },
      unreadable: (line, reason) => sink.unreadable(line, reason),
    },
    async () => {
      if (fault !== null) throw fault;
      await sink.drained();
      onRead(file.bytesRead());
    },
  );
}

export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function fieldsOfHeader(headers: readonly string[], { columns, constants }: FilePlan, sink: FileSink): (readonly [MeterColumn, number])[] {
  const found = new Map<MeterColumn, number>();
  for (const [field, name] of columns) {
    const at = headers.findIndex((header) => header.trim() === name.trim());
    if (at === -1) throw new OperationalError('usage', `the file has no column "${name}" for ${field}; there are ${headers.join(', ')}`);
    found.set(field, at);
  }
  const taken = new Set(found.values());
  for (const [at, header] of headers.entries()) {
    const field = taken.has(at) ? null : fieldOf(header);
    if (field === null || found.has(field)) continue;
    found.set(field, at);
    taken.add(at);
  }
  if (!found.has('meterId') && !constants.has('meterId')) throw new OperationalError('usage', `no column of the file is the id of the meters; name it with --column meterId=…; there are ${headers.join(', ')}`);
  const left = headers.filter((_, at) => !taken.has(at));
  if (left.length > 0) sink.notTaken(left);
  return [...found];
}

async function readNdjson(path: string, sink: FileSink, onRead: (bytes: number) => void): Promise<void> {
  const file = createReadStream(path);
  const source = await inflated(path, file);
  let line = 0;
  try {
    for await (const read of createInterface({ input: source, crlfDelay: Infinity })) {
      const text = line++ === 0 ? read.replace(/^\ufeff/, '') : read;
      if (text.length > LINE_CHARS_MAX) sink.unreadable(line, `longer than ${LINE_CHARS_MAX} characters`);
      else if (text.trim() !== '') sink.row(text, line);
      if (line % LINES_A_DRAIN !== 0) continue;
      await sink.drained();
      onRead(file.bytesRead);
    }
    await sink.drained();
    onRead(file.bytesRead);
    if (source.errored !== null) throw source.errored;
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError('file_damaged', `${path} is damaged or cut off (${(cause as Error).message})`, { cause });
  } finally {
    file.destroy();
    source.destroy();
  }
}

/** By the first sign of what it holds. Throws OperationalError `file_unreadable`. */
async function isNdjson(path: string): Promise<boolean> {
  const file = createReadStream(path);
  const source = await inflated(path, file);
  try {
    for await (const chunk of source) return /^\ufeff?\s*\{/.test((chunk as Buffer).toString('utf8', 0, 256));
    return false;
  } catch (cause) {
    throw new OperationalError('file_unreadable', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  } finally {
    file.destroy();
    source.destroy();
  }
}

/** What is in the file; its errors come to who reads. */
async function inflated(path: string, file: Readable): Promise<Readable> {
  const handle = await open(path).catch((cause: Error) => {
    throw new OperationalError('file_unreadable', `cannot read ${path}: ${cause.message}`, { cause });
  });
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0).finally(() => handle.close());
  const isGzip = bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  return pipeline(file, isGzip ? createGunzip() : new PassThrough(), () => undefined) as unknown as Readable;
}
