import { describe, expect, test } from 'vitest';
import { ACK_BUCKETS_MS } from '../../src/actors/ingest/ingest-stats.ts';
import { familiesOf, METRIC, type BillingThreadSnapshot, type IngestThreadSnapshot, type MainThreadSnapshot, type ShardThreadSnapshot, type SinkThreadSnapshot, type ThreadSnapshot } from '../../src/engine/engine-metrics.ts';
import { MAILBOX_BUCKETS_MS, MailboxMetrics } from '../../src/runtime/mailbox-metrics.ts';
import { ThreadMetrics } from '../../src/runtime/metrics.ts';

const STATS = { eventLoopDelayP50Ms: 1, eventLoopDelayP99Ms: 12, eventLoopDelayMaxMs: 40, rssBytes: 1, heapUsedBytes: 5_000, externalBytes: 7_000, arrayBuffersBytes: 1 };

function ingest(thread: string): IngestThreadSnapshot {
  return {
    kind: 'ingest', thread, epoch: 1, stats: STATS, mailboxes: {},
    server: {
      http: { inFlight: 0, aborted: 1, responses: { 202: 10, 429: 2 } },
      bodies: { collecting: 1, bufferedBytes: 500, tooSlow: 0, tooLarge: 0, overloaded: 0 },
    },
    actor: {
      requests: { 202: 10, 429: 2 }, requestsPending: 6, bodyBytes: 1_000_000,
      readingsAccepted: 5_000, readingsDuplicate: 40, rejects: { invalid_timestamp: 3, conflict: 4 },
      ackLatency: { sumMs: 120, maxMs: 30, buckets: ACK_BUCKETS_MS.map((bound): number => (bound <= 10 ? 1 : 0)).concat(3) },
      batches: { sent: 9, inFlight: 2, failed: 1, readings: 5_000, readingsMax: 900, bytes: 1 },
      shards: [{ queuedReadings: 7, queuedBytes: 700, up: true }, { queuedReadings: 0, queuedBytes: 0, up: false }],
    },
  };
}

function shard(index: number): ShardThreadSnapshot {
  const mailbox = new MailboxMetrics();
  mailbox.enqueued();
  mailbox.started(2);
  return {
    kind: 'shard', thread: `shard-${index}`, epoch: 1, stats: null, mailboxes: { [`shard-${index}`]: mailbox.snapshot() },
    shard: index, meters: 100, windowsClosed: { '1m': 60, '15m': 4 }, windowsCorrected: 2, lateReadings: 5, deadLetters: 7,
    anomaliesOpen: { spike: 1, drop: 0, outage: 2, flat_line: 0, voltage_band: 0 },
    lmdbBytes: 4_096, consumptionLagRecords: 3,
    journalLagRecords: 900, journalLagBytes: 90_000, journalBytesAppended: 5_000_000, checkpointAgeMs: index === 0 ? 2_500 : null, unwrittenShare: 0.25, unwrittenPages: 3, checkpointSteps: { sumMs: 6, maxMs: 4, buckets: MAILBOX_BUCKETS_MS.map((bound): number => (bound === 5 ? 2 : 0)).concat(0) }, outboxBytes: index === 0 ? 512 : null, storageRefuses: index === 1,
  };
}

const lane = { shard: 0, state: 'running', positionAgeMs: 0, lagMs: 0, batchesHeld: 0, batches: 3, rows: 500, setAside: 1, failures: 2 } as const;
const sinks: SinkThreadSnapshot = {
  kind: 'sinks', thread: 'sinks', epoch: 1, stats: null, mailboxes: {},
  sinks: [
    { sink: 'timescale', state: 'running', lagMs: 1_500, openFailures: 4, lastError: null, shards: [lane, { ...lane, shard: 1, rows: 10 }], gone: { batches: 0, rows: 10, setAside: 0, failures: 0 } },
    { sink: 'kafka', state: 'waiting', lagMs: 90_000, openFailures: 0, lastError: { code: 'unavailable', message: 'away' }, shards: [{ ...lane, state: 'waiting' }], gone: { batches: 0, rows: 0, setAside: 0, failures: 0 } },
  ],
};

const billing: BillingThreadSnapshot = {
  kind: 'billing', thread: 'billing', epoch: 1, stats: null, mailboxes: {}, storeBytes: 12_288,
  billing: { turns: 9, questions: 20, costs: 5, loads: 3, events: 40, commitMsTotal: 1_500, commitMsMax: 200, waiting: 2, tariffVersions: 4, runsUnderWay: 1, billed: 300, billingFaults: 6, compared: 70, corrected: 8 },
};

const main: MainThreadSnapshot = {
  kind: 'main', thread: 'main', epoch: 1, stats: STATS, mailboxes: {}, version: '0.1.0', liveConnections: 4, dataDiskFreeBytes: 8_192,
  children: [{ name: 'shard-0', state: 'up', restarts: 0 }, { name: 'shard-1', state: 'backing_off', restarts: 3 }],
  gateway: { inFlight: 1, aborted: 0, responses: { 200: 8, 404: 1 }, queriesInFlight: 1, queriesRefused: 0 },
};

async function scrape(snapshots: ThreadSnapshot[]): Promise<string[]> {
  const metrics = new ThreadMetrics();
  for (const snapshot of snapshots) metrics.report(snapshot.thread, snapshot.epoch, familiesOf(snapshot));
  return (await metrics.render()).text.split('\n');
}

describe('the engine metrics', () => {
  test.each([
    'seg_outbox_bytes{shard="0"} 512',
    'seg_unwritten_share{shard="1"} 0.25',
    'seg_unwritten_pages{shard="1"} 3',
    'seg_journal_bytes_total 10000000',
    'seg_checkpoint_step_seconds_bucket{shard="0",le="0.0025"} 0',
    'seg_checkpoint_step_seconds_bucket{shard="0",le="0.005"} 2',
    'seg_checkpoint_step_max_seconds{shard="1"} 0.004',
    'seg_storage_refuses{shard="0"} 0',
    'seg_storage_refuses{shard="1"} 1',
    'seg_data_disk_free_bytes 8192',
    'seg_sink_up{sink="timescale"} 1',
    'seg_sink_up{sink="kafka"} 0',
    'seg_sink_lag_seconds{sink="kafka"} 90',
    'seg_sink_rows_total{sink="timescale"} 520',
    'seg_sink_batches_total{sink="timescale"} 6',
    'seg_sink_set_aside_total{sink="kafka"} 1',
    'seg_sink_failures_total{sink="timescale"} 8',
    'seg_billing_questions_total{needs="energy"} 5',
    'seg_billing_runs_under_way 1',
    'seg_billing_agreements_total{outcome="billed"} 300',
    'seg_billing_agreements_total{outcome="failed"} 6',
    'seg_billing_compared_total 70',
    'seg_billing_corrected_total 8',
    'seg_billing_events_total 40',
    'seg_billing_commit_seconds_total 1.5',
    'seg_billing_waiting 2',
    'seg_billing_tariff_versions 4',
    'seg_billing_store_bytes 12288',
    'seg_readings_total{outcome="accepted"} 10000',
    'seg_readings_total{outcome="duplicate"} 80',
    'seg_readings_total{outcome="rejected"} 14',
    'seg_rejects_total{code="conflict"} 8',
    'seg_requests_total{status="202"} 20',
    'seg_requests_total{status="0"} 2',
    'seg_ack_latency_seconds_bucket{le="0.01"} 18',
    'seg_ack_latency_seconds_count 24',
    'seg_queued_readings{shard="0"} 14',
    'seg_windows_closed_total{granularity="15m"} 8',
    'seg_windows_corrected_total 4',
    'seg_late_readings_total 10',
    'seg_dead_letters_total 14',
    'seg_meters{shard="1"} 100',
    'seg_anomalies_open{kind="outage"} 4',
    'seg_lmdb_bytes{shard="0"} 4096',
    'seg_journal_lag_records{shard="0"} 900',
    'seg_journal_lag_bytes{shard="1"} 90000',
    'seg_checkpoint_age_seconds{shard="0"} 2.5',
    'seg_actor_up{actor="shard-0"} 1',
    'seg_actor_up{actor="shard-1"} 0',
    'seg_requests_pending 12',
    'seg_request_buffered_bytes 1000',
    'seg_request_body_bytes_total 2000000',
    'seg_batches_total{outcome="stored"} 12',
    'seg_batches_total{outcome="failed"} 2',
    'seg_gateway_requests_total{status="404"} 1',
    'seg_gateway_queries_in_flight 1',
    'seg_live_connections 4',
    'seg_actor_restarts_total{actor="shard-1"} 3',
    'seg_mailbox_depth{actor="shard-1"} 1',
    'seg_mailbox_wait_seconds_count{actor="shard-0"} 1',
    'seg_mailbox_handling_seconds_count{actor="shard-0"} 0',
    'seg_event_loop_delay_seconds{thread="ingest-1",statistic="p99"} 0.012',
    'seg_thread_heap_bytes{thread="main"} 5000',
    'seg_build_info{version="0.1.0"} 1',
  ])('have a line %s', async (line) => {
    expect(await scrape([ingest('ingest-0'), ingest('ingest-1'), shard(0), shard(1), sinks, billing, main])).toContain(line);
  });

  test('have the spans of threads that trace, and nothing of them where none does', async () => {
    const traced = (sent: number) => ({ ...ingest(`ingest-${sent}`), tracing: { spansSent: sent, spansLost: 2 } });
    expect(await scrape([traced(7), traced(1), shard(0)])).toEqual(expect.arrayContaining(['seg_trace_spans_total{outcome="sent"} 8', 'seg_trace_spans_total{outcome="lost"} 4']));
    expect((await scrape([ingest('ingest-0'), main])).join('\n')).not.toContain('seg_trace');
  });

  test('say nothing of a checkpoint that was never made', async () => {
    expect((await scrape([shard(1)])).join('\n')).not.toMatch(/^seg_checkpoint_age_seconds\{/m);
  });

  test('have names with the prefix, base units, and _total on counters alone', () => {
    for (const { name, help, type } of Object.values(METRIC)) {
      expect(name).toMatch(/^seg_[a-z_]+$/);
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|kib|mib|minutes)$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/\.$/);
    }
  });
});
