import { afterEach, beforeEach } from 'vitest';
import type { SinkWriter } from '../../src/actors/sinks/protocol.ts';
import { timescaleWriter, type TimescaleOptions } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { freshDatabase, type FreshDatabase } from './fresh-database.ts';
import { KEEP_ALL } from './sink-batches.ts';

/** A database of its own for each test of a suite, and writers to it that are closed afterwards. */
export interface TimescaleWriters {
  database(): FreshDatabase;
  /** For engine-1, on the test's database unless `url` says otherwise. */
  writer(options?: Partial<TimescaleOptions>): SinkWriter;
  /** The same, opened. */
  opened(options?: Partial<TimescaleOptions>): Promise<SinkWriter>;
}

/** Declares the hooks of a suite on this server. `defaults` are what its writers have in common. */
export function timescaleWriters(server: () => { url: string }, defaults: Partial<TimescaleOptions> = {}): TimescaleWriters {
  let database: FreshDatabase;
  const writers: SinkWriter[] = [];
  beforeEach(async () => {
    database = await freshDatabase(server().url);
  });
  afterEach(async () => {
    await Promise.all(writers.splice(0).map((writer) => writer.close()));
    await database.drop();
  });
  const writer = (options: Partial<TimescaleOptions> = {}): SinkWriter => {
    const made = timescaleWriter({ url: database.url, engineId: 'engine-1', slots: 2, retention: KEEP_ALL, log: nullLog, ...defaults, ...options });
    writers.push(made);
    return made;
  };
  const opened = async (options: Partial<TimescaleOptions> = {}): Promise<SinkWriter> => {
    const made = writer(options);
    await made.open();
    return made;
  };
  return { database: () => database, writer, opened };
}
