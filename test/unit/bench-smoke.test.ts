import { describe, expect, it } from 'vitest';
import { BENCHES } from '../../bench/bench-list.ts';
import { toMarkdown } from '../../bench/bench-report.ts';

// Each takes a few seconds; engines start slowly on a busy machine.
const DEADLINE_MS = 120_000;

// Small and short: shows that each benchmark still runs against today's code and that its checks hold; the figures mean nothing.
describe('every benchmark runs and its own checks hold', () => {
  for (const { group, name, run } of BENCHES) {
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
