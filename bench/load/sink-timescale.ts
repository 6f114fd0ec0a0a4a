import { mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { SinkBatch, SinkWriter } from '../../src/actors/sinks/protocol.ts';
import { BinaryCopy } from '../../src/actors/sinks/timescale/binary-copy.ts';
import { CREATE_STAGES, meterWindowRows } from '../../src/actors/sinks/timescale/sink-tables.ts';
import { timescaleWriter } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import { openWindowBlock, WindowBlockBuilder, type WindowBlock } from '../../src/model/window-block.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { postgresBin, startPostgres } from '../../test/services/postgres.ts';
import { runTool } from '../../test/services/service-process.ts';
import { KEEP_ALL } from '../../test/support/sink-batches.ts';
import { hashOf, rowOf, type BenchReport } from '../bench-report.ts';

/**
 * How fast one connection of the TimescaleDB writer is, against psql's own \copy of the same rows into the same staging table, with the same
 * upsert and cursor in the same transactions, on the same server. The three take turns.
 */

export interface SinkTimescaleOptions {
  windowsPerBatch: number;
  batches: number;
  rounds: number;
}

/** A minute of 100,000 meters, in batches of the size that the pump sends. */
export const SINK_TIMESCALE_FULL: SinkTimescaleOptions = { windowsPerBatch: 5_000, batches: 20, rounds: 7 };

const START = 1_767_225_600_000;
const MINUTE_MS = 60_000;
const REGIONS = 10;
const METERS = 100_000;
const SESSION_CURSOR = "INSERT INTO sink_cursors (engine_id, shard, position) VALUES ('psql', 0, 'p') ON CONFLICT (engine_id, shard) DO UPDATE SET position = excluded.position, updated_at = now()";

const CONTESTANTS = ['writer', 'psql, binary', 'psql, text'] as const;
type Contestant = (typeof CONTESTANTS)[number];

export async function run(options: SinkTimescaleOptions = SINK_TIMESCALE_FULL): Promise<BenchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'seg-bench-sink-'));
  // psql runs as this user, the server may not.
  await chmod(directory, 0o755);
  const server = await startPostgres({ settings: { fsync: 'on', shared_buffers: '512MB', max_wal_size: '8GB' } });
  try {
    const bench = await SinkBench.prepare(server.url, directory, options);
    try {
      return await bench.run();
    } finally {
      await bench.close();
    }
  } finally {
    await server.dispose();
    await rm(directory, { recursive: true, force: true });
  }
}

class SinkBench {
  private readonly options: SinkTimescaleOptions;
  private readonly blocks: WindowBlock[];
  private readonly scripts: Readonly<Record<Exclude<Contestant, 'writer'>, string>>;
  private readonly url: string;
  private readonly writer: SinkWriter;
  private readonly admin: pg.Client;
  private position = 0;

  private constructor(url: string, options: SinkTimescaleOptions, blocks: WindowBlock[], scripts: Readonly<Record<Exclude<Contestant, 'writer'>, string>>, writer: SinkWriter, admin: pg.Client) {
    this.url = url;
    this.options = options;
    this.blocks = blocks;
    this.scripts = scripts;
    this.writer = writer;
    this.admin = admin;
  }

  static async prepare(url: string, directory: string, options: SinkTimescaleOptions): Promise<SinkBench> {
    const blocks = Array.from({ length: options.batches }, (_, batch) => blockOf(batch * options.windowsPerBatch, options.windowsPerBatch));
    const writer = timescaleWriter({ url, engineId: 'bench', slots: 1, retention: KEEP_ALL, log: nullLog });
    await writer.open();
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    const scripts = { 'psql, binary': await script(directory, 'binary', blocks), 'psql, text': await script(directory, 'text', blocks) };
    return new SinkBench(url, options, blocks, scripts, writer, admin);
  }

  async run(): Promise<BenchReport> {
    const { rounds, batches, windowsPerBatch } = this.options;
    const rates: Record<Contestant, number[]> = { writer: [], 'psql, binary': [], 'psql, text': [] };
    const hashes = new Set<string>();
    // The first is not counted: it grows the server's memory and compiles code.
    for (let round = -1; round < rounds; round++) {
      for (let turn = 0; turn < CONTESTANTS.length; turn++) {
        const contestant = CONTESTANTS[(turn + round + CONTESTANTS.length) % CONTESTANTS.length];
        await this.admin.query('TRUNCATE aggregates_1m');
        await this.admin.query('CHECKPOINT');
        const seconds = contestant === 'writer' ? await this.timeWriter() : await this.timePsql(this.scripts[contestant]);
        hashes.add(await this.tableHash());
        if (round >= 0) rates[contestant].push((batches * windowsPerBatch) / seconds);
      }
    }
    invariant(hashes.size === 1, 'all have written the same rows');
    const verified = `counts verified: ${batches * windowsPerBatch} rows each time, the same from all`;
    const shares = (of: Contestant): number[] => rates.writer.map((rate, round) => (100 * rate) / rates[of][round]);
    const [hash] = hashes;
    return {
      name: 'load: sink-timescale',
      leavesOut: 'the shards and the pump before it, the network to the database, a second connection, corrections, an index that is larger than memory.',
      rows: [
        ...CONTESTANTS.map((contestant) => rowOf(`${contestant}, batches of ${windowsPerBatch}`, 'rows/s', rates[contestant], contestant === 'writer' ? verified : '', hash)),
        rowOf('writer in percent of psql, binary', '%', shares('psql, binary'), '', ''),
        rowOf('writer in percent of psql, text', '%', shares('psql, text'), '', ''),
      ],
    };
  }

  async close(): Promise<void> {
    await this.writer.close();
    await this.admin.end();
  }

  private async timeWriter(): Promise<number> {
    // As in psql's script: the connection is there before the clock starts.
    await this.writer.write(this.batch(new WindowBlockBuilder().finish(), 0));
    const startedMs = performance.now();
    for (const block of this.blocks) await this.writer.write(this.batch(block.bytes.buffer as ArrayBuffer, block.count));
    return (performance.now() - startedMs) / 1_000;
  }

  private batch(windows: ArrayBuffer, windowCount: number): SinkBatch {
    return { shard: 0, position: `${++this.position}`, windows, windowCount, regionWindows: [], anomalies: [], deadLetters: [], alerts: [], billing: [] };
  }

  private async timePsql(input: string): Promise<number> {
    const output = await runTool(join(postgresBin()!, 'psql'), ['-w', '--no-psqlrc', '-v', 'ON_ERROR_STOP=1', '-qAt', this.url], { input });
    const [started, ended] = output.trim().split('\n').map(Number);
    return ended - started;
  }

  private async tableHash(): Promise<string> {
    const { rows } = await this.admin.query<{ n: string; hash: string }>('SELECT count(*) AS n, sum(hashtextextended(t::text, 0)) AS hash FROM aggregates_1m t');
    invariant(Number(rows[0].n) === this.options.batches * this.options.windowsPerBatch, 'every row is there');
    return hashOf(rows[0].hash);
  }
}

/** Windows of one minute after the other, of meters as a shard gives them: 64 of a page, then the next page. */
function blockOf(from: number, count: number): WindowBlock {
  const builder = new WindowBlockBuilder(count);
  for (let n = from; n < from + count; n++) {
    const windowStart = START + Math.floor(n / METERS) * MINUTE_MS;
    const kw = ((n * 2_654_435_761) % 100_003) / 10_007;
    const hasVoltage = n % 4 !== 0;
    builder.add({
      // Spread as hashing spreads them: neighbours of a page are no neighbours by name.
      meterId: `meter-${String((n * 7_919) % METERS).padStart(6, '0')}`,
      region: `region-${String(n % REGIONS).padStart(2, '0')}`,
      granularity: '1m',
      windowStart,
      windowEnd: windowStart + MINUTE_MS,
      avgPowerKw: kw,
      minPowerKw: kw / 2,
      maxPowerKw: kw * 1.7,
      energyKwhSum: kw / 60,
      energySource: n % 2 === 0 ? 'measured' : 'estimated',
      voltageAvg: hasVoltage ? 230 + kw / 3 : null,
      voltageMin: hasVoltage ? 229 : null,
      voltageMax: hasVoltage ? 236.5 : null,
      count: 6,
      revision: 0,
      final: true,
    });
  }
  return openWindowBlock(builder.finish());
}

/** What psql runs: each batch from a file of its own, with the server's time before and after all. */
async function script(directory: string, format: 'binary' | 'text', blocks: readonly WindowBlock[]): Promise<string> {
  const clock = 'SELECT extract(epoch FROM clock_timestamp());';
  const lines = [`${CREATE_STAGES};`, `${SESSION_CURSOR};`, clock];
  const copy = new BinaryCopy();
  for (const [i, block] of blocks.entries()) {
    const file = join(directory, `${i}.${format}`);
    await writeFile(file, format === 'binary' ? binaryRows(copy, block) : textRows(block));
    const { stage, upserts } = meterWindowRows(block);
    lines.push('BEGIN;', `\\copy pg_temp.${stage} FROM '${file}' WITH (FORMAT ${format})`, ...upserts.map((upsert) => `${upsert};`), `${SESSION_CURSOR};`, 'COMMIT;');
  }
  return `${[...lines, clock].join('\n')}\n`;
}

function binaryRows(copy: BinaryCopy, block: WindowBlock): Buffer {
  const rows = meterWindowRows(block);
  copy.begin();
  for (let i = 0; i < rows.count; i++) rows.encode(copy, i);
  return copy.finish();
}

function textRows(block: WindowBlock): string {
  const lines: string[] = [];
  for (let i = 0; i < block.count; i++) {
    const row = block.windowAt(i);
    const time = (ms: number): string => new Date(ms).toISOString();
    const values = [
      row.granularity === '15m', row.meterId, row.region, time(row.windowStart), time(row.windowEnd), row.avgPowerKw, row.minPowerKw, row.maxPowerKw, row.energyKwhSum,
      row.energySource, row.voltageAvg, row.voltageMin, row.voltageMax, row.count, row.revision, row.final,
    ];
    lines.push(values.map((value) => (value === null ? '\\N' : String(value))).join('\t'));
  }
  return `${lines.join('\n')}\n`;
}
