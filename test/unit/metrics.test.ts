import { describe, expect, test } from 'vitest';
import { MetricFamilies, startProcessMetrics, ThreadMetrics, type MetricDefinition } from '../../src/runtime/metrics.ts';

const HITS: MetricDefinition = { name: 'seg_hits_total', help: 'Hits.', type: 'counter' };
const DEPTH: MetricDefinition = { name: 'seg_depth', help: 'Depth.', type: 'gauge' };
const WAIT: MetricDefinition = { name: 'seg_wait_seconds', help: 'Wait.', type: 'histogram' };

function thread(hits: number, depth: number) {
  const families = new MetricFamilies();
  families.add(HITS, { status: 200 }, hits);
  families.add(DEPTH, {}, depth);
  families.addDurations(WAIT, {}, [1, 10], { sumMs: hits * 5, buckets: [hits, 2, 1] });
  return families.list();
}

async function lines(metrics: ThreadMetrics): Promise<string[]> {
  return (await metrics.render()).text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics of all threads in one scrape', () => {
  test('are Prometheus text with help and type, once a family', async () => {
    const metrics = new ThreadMetrics();
    metrics.report('a', 1, thread(3, 1));
    metrics.report('b', 1, thread(4, 2));
    const { contentType, text } = await metrics.render();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text.match(/# TYPE seg_hits_total counter/g)).toHaveLength(1);
    expect(text.match(/# HELP seg_wait_seconds Wait\./g)).toHaveLength(1);
  });

  test('add up equal labels over threads, and histogram buckets are cumulative in seconds', async () => {
    const metrics = new ThreadMetrics();
    metrics.report('a', 1, thread(3, 1));
    metrics.report('b', 1, thread(4, 2));
    expect(await lines(metrics)).toEqual([
      'seg_hits_total{status="200"} 7',
      'seg_depth 3',
      'seg_wait_seconds_bucket{le="0.001"} 7',
      'seg_wait_seconds_bucket{le="0.01"} 11',
      'seg_wait_seconds_bucket{le="+Inf"} 13',
      'seg_wait_seconds_sum 0.035',
      'seg_wait_seconds_count 13',
    ]);
  });

  test('keep the counts, not the gauges, of a thread that was restarted', async () => {
    const metrics = new ThreadMetrics();
    metrics.report('a', 1, thread(100, 9));
    metrics.report('b', 1, thread(10, 1));
    metrics.report('a', 2, thread(1, 2));
    metrics.report('a', 3, thread(1, 2));
    expect(await lines(metrics)).toContain('seg_hits_total{status="200"} 112');
    expect(await lines(metrics)).toContain('seg_depth 3');
    expect(await lines(metrics)).toContain('seg_wait_seconds_count 124');
  });

  test('ignore a late report of an incarnation that is gone', async () => {
    const metrics = new ThreadMetrics();
    metrics.report('a', 2, thread(5, 1));
    metrics.report('a', 1, thread(100, 1));
    expect(await lines(metrics)).toContain('seg_hits_total{status="200"} 5');
  });

  test('keep the counts of a thread that is dropped', async () => {
    const metrics = new ThreadMetrics();
    metrics.report('a', 1, thread(5, 7));
    metrics.drop('a');
    metrics.drop('a');
    const text = await lines(metrics);
    expect(text).toContain('seg_hits_total{status="200"} 5');
    expect(text.join()).not.toContain('seg_depth');
  });

  test('leave out what is not known', async () => {
    const families = new MetricFamilies();
    families.add(DEPTH, {}, NaN);
    const metrics = new ThreadMetrics();
    metrics.report('a', 1, families.list());
    expect(await lines(metrics)).toEqual([]);
  });

  test('include the process', async () => {
    const { text } = await new ThreadMetrics().render(await startProcessMetrics().families());
    expect(text).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
    expect(text).toMatch(/^process_start_time_seconds \d{10}/m);
    expect(text).toMatch(/^nodejs_version_info\{.*major="22"/m);
  });
});
