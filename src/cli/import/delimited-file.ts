import type { ReadStream } from 'node:fs';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { OperationalError } from '../../runtime/errors.ts';

/** Bytes read from the file at a time: large enough for the disk, and all that a chunk expands to is held at once. */
const CHUNK_BYTES = 64 * 1024;
/** Longest row: 100,000 meters a row at 40 bytes each. An unclosed quote ends there instead of swallowing the file. */
const ROW_BYTES_MAX = 4 * 1024 * 1024;
const DELIMITERS = [',', ';', '\t', '|'] as const;

export interface DelimitedRow {
  /** `cells` is borrowed; `line` is that of the row's end, from 1. */
  row(cells: readonly string[], line: number): void;
  /** A row that is no delimited text at all. */
  unreadable(line: number, reason: string): void;
}

export interface DelimitedFile {
  /** Bytes of the file (compressed ones, if it is) read so far. */
  bytesRead(): number;
  /** Calls the sink for every row, header included, and awaits `afterChunk` between chunks, so that memory is bounded by a chunk. */
  read(sink: DelimitedRow, afterChunk: () => Promise<void>): Promise<void>;
}

/**
 * Opens delimited UTF-8 text, plain or gzip by its first two bytes. `delimiter` null: the one of , ; tab | that the first line has most of. Throws OperationalError
 * `file_unreadable`; `read` throws `file_damaged` where gzip data ends or breaks.
 */
export async function openDelimitedFile(path: string, delimiter: string | null): Promise<DelimitedFile> {
  const zipped = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  return {
    bytesRead: () => file.bytesRead,
    read: (sink, afterChunk) => readRows(path, file, zipped, delimiter, sink, afterChunk),
  };
}

async function isGzip(path: string): Promise<boolean> {
  try {
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new OperationalError('file_unreadable', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

async function readRows(path: string, file: ReadStream, zipped: boolean, delimiter: string | null, sink: DelimitedRow, afterChunk: () => Promise<void>): Promise<void> {
  // The callback form hands a broken file's error to the reader of the last stream, which is the loop below.
  const source: Readable = zipped ? pipeline(file, createGunzip(), () => undefined) : file;
  let parser: ReturnType<typeof parse> | null = null;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      parser ??= createParser(delimiter ?? detectDelimiter(chunk), sink);
      await write(parser, chunk);
      await afterChunk();
    }
    if (parser !== null) await end(parser);
    await afterChunk();
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    if (String((cause as { code?: unknown }).code).startsWith('Z_')) {
      throw new OperationalError('file_damaged', `${path} is damaged or cut off (${(cause as Error).message}); get it again, then run the same command: it goes on where this run ended`, { cause });
    }
    throw cause;
  } finally {
    file.destroy();
    source.destroy();
  }
}

function createParser(delimiter: string, sink: DelimitedRow): ReturnType<typeof parse> {
  const parser = parse({
    delimiter,
    bom: true,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: ROW_BYTES_MAX,
    skip_records_with_error: true,
    on_record: (record: string[], { lines }) => {
      sink.row(record, lines);
      return null;
    },
    on_skip: (error) => {
      sink.unreadable(Number(error?.lines ?? 0), error?.message ?? 'cannot be read as delimited text');
      return undefined;
    },
  });
  // The same error comes to whoever awaits the write or the end.
  parser.on('error', () => undefined);
  // Rows leave through on_record, so its readable side is empty; it must flow to end.
  parser.resume();
  return parser;
}

function write(parser: ReturnType<typeof parse>, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => parser.write(chunk, (error) => (error ? reject(error) : resolve())));
}

function end(parser: ReturnType<typeof parse>): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.on('error', reject);
    parser.end(() => resolve());
  });
}

/** The candidate that stands most often in the first line; a comma when none does. Text in quotes does not count. */
export function detectDelimiter(chunk: Buffer): string {
  const firstLine = chunk.toString('utf8').split('\n', 1)[0].replace(/"[^"]*"/g, '');
  const counts = DELIMITERS.map((candidate) => firstLine.split(candidate).length - 1);
  return DELIMITERS[counts.indexOf(Math.max(...counts))];
}
