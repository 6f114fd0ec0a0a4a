import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SIMULATION, runSimulation } from '../../src/cli/simulate/simulation.ts';
import type { SimulationMode } from '../../src/cli/simulate/scenario.ts';
import { FakeIngest } from './cli-fake-ingest.fixture.ts';

const ENTRY = resolve(import.meta.dirname, 'cli-entry.fixture.ts');
const HOUR_MS = 3_600_000;
let engine: FakeIngest;
let url: string;

beforeEach(async () => {
  engine = new FakeIngest();
  url = await engine.listen();
});
afterEach(() => engine.close());

/** Every code a reading can be rejected with, but for those that need a full engine. */
const REJECT_CODES = [
  'conflict', 'invalid_json', 'invalid_meter_id', 'invalid_reading_id', 'invalid_region', 'invalid_status', 'invalid_timestamp', 'invalid_type', 'missing_field', 'not_an_object',
  'not_finite', 'out_of_range', 'timestamp_in_future', 'timestamp_too_old', 'too_late',
];

const history = (modes: SimulationMode[], format: 'json' | 'ndjson' | 'msgpack' = 'json') => ({
  ...DEFAULT_SIMULATION, url, modes, format, meters: 20, intervalMs: 60_000, startMs: Date.UTC(2026, 0, 1), durationMs: 2 * HOUR_MS, speed: Infinity,
});

describe('a simulation', () => {
  it('of the past sends every reading of its duration and ends', async () => {
    const last = await runSimulation(history(['normal']));
    expect(last.totals).toMatchObject({ accepted: 20 * 120, duplicates: 0, rejected: 0, retries: 0 });
    expect(last.heldBack).toBe(0);
    expect(last.ackP99Ms).toBeGreaterThanOrEqual(last.ackP50Ms!);
  });

  it.each(['json', 'ndjson', 'msgpack'] as const)('with duplicates, late and broken readings in %s leaves the engine with the same readings', async (format) => {
    await runSimulation(history(['normal']));
    const plain = new Map(engine.readings);
    engine.readings.clear();
    const last = await runSimulation(history(['duplicates', 'late', 'broken'], format));
    expect(last.totals.duplicates).toBeGreaterThan(0);
    expect([...last.totals.rejectedByCode.keys()].sort()).toEqual(REJECT_CODES.filter((code) => format === 'ndjson' || code !== 'invalid_json'));
    expect(last.totals.accepted).toBe(plain.size);
    for (const [key, reading] of plain) expect(engine.readings.get(key)).toEqual(reading);
  });

  it('in real time stays at the pace of the clock and never ahead of it', async () => {
    const stop = new AbortController();
    engine.beforeAck = () => (engine.readings.size >= 70 ? stop.abort() : undefined);
    const startedMs = Date.now();
    const last = await runSimulation({ ...DEFAULT_SIMULATION, url, meters: 50, intervalMs: 1_000 }, { signal: stop.signal });
    // Each meter sends once a second, the first time within one.
    expect(last.totals.accepted).toBeLessThanOrEqual(50 * Math.ceil((Date.now() - startedMs) / 1_000));
    expect(Math.max(...[...engine.readings.values()].map(({ timestamp }) => timestamp))).toBeLessThanOrEqual(Date.now());
  });

  it('rides out an engine that refuses for a while', async () => {
    engine.refusals = [{ status: 503 }, { status: 429 }, 'hang up'];
    const last = await runSimulation(history(['normal']));
    expect(last.totals.accepted).toBe(20 * 120);
    expect(last.totals.retries).toBe(3);
  });

  it('fails when the engine will not take its requests', async () => {
    engine.refusals = [{ status: 415 }];
    await expect(runSimulation(history(['normal']))).rejects.toMatchObject({ code: 'engine_refused' });
  });
});

describe('seg simulate as a process', () => {
  it('ends on Ctrl-C with a summary and exit code 0', async () => {
    const child = spawn(process.execPath, [ENTRY, 'simulate', '--url', url, '--interval', '1s']);
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    const ended = new Promise<number | null>((done) => child.on('close', done));
    await expect.poll(() => engine.readings.size, { timeout: 15_000 }).toBeGreaterThan(20);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(stderr).toMatch(/\d+ readings acknowledged in .* accepted/);
  });
});
