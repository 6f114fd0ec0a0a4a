import { describe, expect, it } from 'vitest';
import { BENCHES, type Bench } from '../../bench/bench-list.ts';
import { toMarkdown } from '../../bench/bench-report.ts';
import { runSoak } from '../../bench/load/soak.ts';
import { suite } from '../support/required-suites.ts';

// Each takes a few seconds; engines start slowly on a busy machine.
const DEADLINE_MS = 120_000;

// Small and short: shows that each benchmark still runs against today's code and that its checks hold; the figures mean nothing.
describe('every benchmark runs and its own checks hold', () => {
  for (const bench of BENCHES) {
    const { needs } = bench;
    if (needs === undefined) runsAndHolds(bench);
    else suite(needs.name, needs.isAvailable(), needs.howTo, () => runsAndHolds(bench));
  }

  function runsAndHolds({ group, name, run }: Bench): void {
    it(`${group}: ${name}`, async () => {
      const report = await run('quick');

      expect(report.rows.length).toBeGreaterThan(0);
      for (const row of report.rows) {
        expect(row.median, row.name).toBeGreaterThan(0);
        expect(row.note, row.name).not.toContain('ERRORS');
        if (group === 'micro') expect(row.resultHash, row.name).toMatch(/^[0-9a-f]{12}$/);
      }
      if (group === 'load') expect(report.rows.some(({ note }) => note.includes('counts verified')), 'counts were held against the engine').toBe(true);
      expect(toMarkdown(report)).toContain('Leaves out: ');
    }, DEADLINE_MS);
  }
});

describe('the soak', () => {
  it('measures, sends, reports and judges', async () => {
    const lines: string[] = [];
    const report = await runSoak({ durationMs: 2_000, readingsPerSecond: null, meters: 1_000, readingsPerBatch: 100, reportMs: 250, measureMs: 200 }, (line) => void lines.push(line));

    // Memory and latency of two seconds say nothing; counts and windows hold at any time.
    const judged = report.findings.filter(({ text }) => /^(counts|windows)/.test(text));
    expect(judged.map(({ holds, text }) => ({ holds, text: holds ? '' : text }))).toEqual([{ holds: true, text: '' }, { holds: true, text: '' }]);
    expect(report.reports).toBeGreaterThanOrEqual(4);
    expect(lines.filter((line) => line.startsWith('|'))).toHaveLength(report.reports + 2);
    expect(lines.some((line) => /\| [^|]*main \d+[^|]* \|/.test(line)), 'heaps by thread').toBe(true);
  }, DEADLINE_MS);

  it('ends at once when it is told to, and leaves nothing', async () => {
    const stop = new AbortController();
    let stoppedMs = Infinity;
    const soak = runSoak({ durationMs: 30_000, readingsPerSecond: 1_000, meters: 1_000, readingsPerBatch: 100, reportMs: 250, measureMs: 200 }, (line) => {
      if (!line.startsWith('|') || stop.signal.aborted) return;
      stoppedMs = performance.now();
      stop.abort();
    }, stop.signal);
    await expect(soak).rejects.toThrow('fixed-rate.ts was stopped');
    expect(performance.now() - stoppedMs).toBeLessThan(25_000);
  }, DEADLINE_MS);
});
