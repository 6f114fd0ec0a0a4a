import { describe, expect, it } from 'vitest';
import { runOverload } from '../../bench/load/overload.ts';

/**
 * The short form of bench/load/overload.ts: small queues and few meters, so that seconds are enough to fill what can be filled. Latencies are left
 * to the long form, because nothing can be said of them on a machine that runs other suites too.
 */

describe('an engine that is offered ten times too much', () => {
  it('refuses what it cannot take with Retry-After, keeps what it acknowledged, and takes no more memory, idle and slow connections beside it', { timeout: 120_000 }, async () => {
    const report = await runOverload({
      meters: 2_000,
      connections: 400,
      factor: 10,
      floodMs: 4_000,
      settleMs: 0,
      measureMs: 4_000,
      normalMs: 4_000,
      afterMs: 1_000,
      idleConnections: 1_000,
      silent: false,
      slowConnections: 50,
      // An engine this small has 170 MB; the flood's bodies in flight are 43 MB at most. Four seconds of unbounded queues would be a gigabyte.
      memorySlackMb: 48,
      flags: ['--queued-readings-max', '20000', '--shard-credits', '2'],
    });
    console.log(JSON.stringify({ ...report, flood: { ...report.flood, sample: report.flood.sample.length } }));
    // What is mapped of its files grows with them in the first seconds of any engine; the long form judges that part too.
    expect(report.failures.filter((failure) => !failure.startsWith('p99') && !failure.startsWith('resident'))).toEqual([]);
    expect((report.flood.answers[429] ?? 0) + (report.flood.answers[503] ?? 0)).toBeGreaterThan(100);
    expect(report.flood.acknowledged).toBeGreaterThan(0);
    expect(report.verified).toMatch(/windows of [1-9]\d* meters/);
  });
});
