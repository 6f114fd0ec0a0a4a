import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationalError } from '../../runtime/errors.ts';

/** A place between two items of a file. Items are a row's readings, gaps and faults in order, so that it names a cell of a wide row. */
export interface ImportPosition {
  /** Data rows before this one are done. */
  row: number;
  /** Items of this row that are done. */
  items: number;
}

export interface ImportState {
  position: ImportPosition;
  accepted: number;
  duplicates: number;
  rejected: number;
  /** ISO time of the last save; shown to the user. */
  savedAt: string;
}

export const FILE_START: Readonly<ImportPosition> = { row: 0, items: 0 };

/**
 * Where an import is remembered until it is complete: one file per (path, size, mtime, plan, engine), so that a changed file or other options begin
 * anew. Only what the engine has acknowledged is ever written.
 */
export class ImportStateFile {
  readonly path: string;
  private readonly directory: string;

  /** `stats` are the imported file's; `planKey` is any text that changes when the meaning of its rows does. */
  constructor(directory: string, filePath: string, stats: Stats, planKey: string) {
    const key = createHash('sha256').update(JSON.stringify([filePath, stats.size, stats.mtimeMs, planKey])).digest('hex').slice(0, 32);
    this.directory = directory;
    this.path = join(directory, `${key}.json`);
  }

  /** The state, or null when there is none or it is damaged: starting over is always safe. */
  async load(): Promise<ImportState | null> {
    try {
      const state = JSON.parse(await readFile(this.path, 'utf8')) as ImportState;
      return Number.isInteger(state.position?.row) && Number.isInteger(state.position?.items) ? state : null;
    } catch {
      return null;
    }
  }

  /** Replaces the state in one step. Throws OperationalError `state_unwritable`. */
  async save(state: ImportState): Promise<void> {
    try {
      await mkdir(this.directory, { recursive: true });
      const temporary = `${this.path}.${process.pid}.tmp`;
      await writeFile(temporary, JSON.stringify(state));
      await rename(temporary, this.path);
    } catch (cause) {
      throw new OperationalError('state_unwritable', `cannot save the state of the import in ${this.directory}: ${(cause as Error).message}; name another place with --state-dir`, { cause });
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** The place before which everything is acknowledged, when batches are acknowledged out of order. At most as many are open as there are requests in flight. */
export class AckWatermark {
  position: ImportPosition;
  private readonly open: { end: ImportPosition; acknowledged: boolean }[] = [];

  constructor(position: ImportPosition) {
    this.position = position;
  }

  /** A batch that ends at `end` goes out; call the result when it is acknowledged. */
  sent(end: ImportPosition): () => void {
    const batch = { end, acknowledged: false };
    this.open.push(batch);
    return () => {
      batch.acknowledged = true;
      while (this.open.length > 0 && this.open[0].acknowledged) this.position = this.open.shift()!.end;
    };
  }
}
