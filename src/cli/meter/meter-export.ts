import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { OperationalError } from '../../runtime/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { csvCell } from '../../model/csv-cell.ts';
import { fieldsOfMeter, METER_COLUMNS } from './meter-columns.ts';

/** `seg meter export`: entries of the registry as a file that `seg meter import` takes. */

const METERS_PER_PAGE = 1_000;

export interface MeterExport {
  /** Filters, as of the API. */
  query: Record<string, string>;
  format: 'csv' | 'ndjson';
  /** `-` is stdout. */
  out: string;
}

/** Gives how many were written. A file appears under its name only when it is complete. Throws OperationalError: those of ApiClient.pages, and `out_unwritable`. */
export async function exportMeters(api: Pick<ApiClient, 'pages'>, { query, format, out }: MeterExport): Promise<number> {
  const temporary = out === '-' ? null : `${out}.${process.pid}.tmp`;
  const stream: Writable = temporary === null ? process.stdout : createWriteStream(temporary);
  // Also told to who writes.
  stream.on('error', () => undefined);
  let meters = 0;
  try {
    // With the first page: an error must not come after a line that looks like a result.
    let head = format === 'csv' ? `${METER_COLUMNS.join(',')}\n` : '';
    for await (const { data } of api.pages('/api/v1/registry/meters', { ...query, limit: String(METERS_PER_PAGE) })) {
      await write(stream, head + data.map(format === 'csv' ? csvRow : jsonRow).join(''));
      head = '';
      meters += data.length;
    }
    if (temporary === null) return meters;
    stream.end();
    await finished(stream);
    await rename(temporary, out);
    return meters;
  } catch (error) {
    if (temporary !== null) {
      stream.destroy();
      await rm(temporary, { force: true });
    }
    if (error instanceof OperationalError) throw error;
    throw new OperationalError('out_unwritable', `cannot write ${out}: ${(error as Error).message}`, { cause: error });
  }
}

function csvRow(meter: Record<string, unknown>): string {
  return `${fieldsOfMeter(meter).map(csvCell).join(',')}\n`;
}

/** Without what the registry adds, which it does not take. */
function jsonRow({ status: _status, version: _version, updatedAt: _updatedAt, updatedBy: _updatedBy, ...row }: Record<string, unknown>): string {
  return `${JSON.stringify(row)}\n`;
}

/** Resolves when the text has been handed on, so that a slow disk or pipe slows the export; rejects when it failed. */
function write(out: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => out.write(text, (error) => (error ? reject(error) : resolve())));
}
