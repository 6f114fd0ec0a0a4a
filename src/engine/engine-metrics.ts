import { ACK_BUCKETS_MS, type IngestStatsSnapshot } from '../actors/ingest/ingest-stats.ts';
import type { AlertsMetrics } from '../actors/alerts/actor.ts';
import type { PartitionTotals } from '../actors/kafka-log/partition-host.ts';
import type { NotificationFigures } from '../actors/notifications/notification-figures.ts';
import { totalOf, type LaneTotals, type SinkFigures } from '../actors/sinks/figures.ts';
import type { Gateway } from '../http/gateway.ts';
import type { IngestServerStats } from '../http/ingest-server.ts';
import type { TariffsMetrics } from '../actors/tariffs/actor.ts';
import { ALERT_TYPES, type AlertStatistics, type AlertType } from '../model/alert.ts';
import { ANOMALY_KINDS, SEVERITIES, type AnomalyKind } from '../model/anomaly.ts';
import { CHANNEL_NAMES } from '../model/contact.ts';
import { GRANULARITIES, type Granularity } from '../model/window.ts';
import { MAILBOX_BUCKETS_MS, type DurationSnapshot, type MailboxSnapshot } from '../runtime/mailbox-metrics.ts';
import { MetricFamilies, type MetricDefinition, type MetricFamily } from '../runtime/metrics.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';
import type { HeartbeatStats } from '../runtime/thread-protocol.ts';
import type { TracingFigures } from '../runtime/tracing.ts';

/**
 * What the engine measures: names, meanings, and the plain snapshots they are filled from. All counts are since the start of the
 * thread that holds them; ThreadMetrics keeps the sums right when a thread is restarted.
 */

/** What every thread has; `metrics()` of its control calls returns one of the kinds below. Structured-cloneable. */
export interface ThreadSnapshotBase {
  /** `main`, `ingest-0`, `shard-3`. */
  thread: string;
  /** Incarnation: one more after each restart. */
  epoch: number;
  /** The event loop and the memory as of the newest heartbeat; null before the first. */
  stats: HeartbeatStats | null;
  /** By actor: `shard-3`, `region`. */
  mailboxes: Readonly<Record<string, MailboxSnapshot>>;
  /** Absent where nothing is traced. */
  tracing?: TracingFigures;
}

export interface IngestThreadSnapshot extends ThreadSnapshotBase {
  kind: 'ingest';
  server: IngestServerStats;
  actor: IngestStatsSnapshot;
}

export interface ShardThreadSnapshot extends ThreadSnapshotBase {
  kind: 'shard';
  shard: number;
  meters: number;
  windowsClosed: Readonly<Record<Granularity, number>>;
  windowsCorrected: number;
  /** Accepted readings that came after their window had closed. */
  lateReadings: number;
  deadLetters: number;
  anomaliesOpen: Readonly<Record<AnomalyKind, number>>;
  lmdbBytes: number;
  /** Log records appended and not yet counted. */
  consumptionLagRecords: number;
  /** Journalled readings that no snapshot covers yet: what a restart would replay. */
  journalLagRecords: number;
  journalLagBytes: number;
  journalBytesAppended: number;
  /** Age of the newest snapshot; null before the first. */
  checkpointAgeMs: number | null;
  /** Of the bound on what is counted and not written, the part that is used. */
  unwrittenShare: number;
  /** Pages of meters that changed since their snapshot was written. */
  unwrittenPages: number;
  /** Time that steps of checkpoints held the thread. */
  checkpointSteps: DurationSnapshot;
  /** Null: no outbox is kept. */
  outboxBytes: number | null;
  /** The disk has no room, and readings are refused. */
  storageRefuses: boolean;
}

export interface SinkThreadSnapshot extends ThreadSnapshotBase {
  kind: 'sinks';
  sinks: readonly SinkFigures[];
}

export interface AlertThreadSnapshot extends ThreadSnapshotBase {
  kind: 'alerts';
  alerts: AlertsMetrics;
  active: AlertStatistics['active'];
  /** Since the thread started. */
  opened: Readonly<Record<AlertType, number>>;
  notifications: NotificationFigures;
  storeBytes: number;
}

export interface BillingThreadSnapshot extends ThreadSnapshotBase {
  kind: 'billing';
  billing: TariffsMetrics;
  storeBytes: number;
}

/** Of a thread that folds partitions of the log in Kafka. */
export interface PartitionThreadSnapshot extends ThreadSnapshotBase {
  kind: 'partitions';
  /** Those that are ready here. */
  partitions: readonly {
    partition: number;
    meters: number;
    storeBytes: number;
    replayBytes: number;
    replayRecords: number;
    lagRecords: number;
    checkpointAgeMs: number;
    outboxBytes: number | null;
    anomaliesOpen: Readonly<Record<AnomalyKind, number>>;
  }[];
  /** Those that cannot be served, with the code of the reason. */
  refused: readonly (readonly [number, string])[];
  totals: PartitionTotals;
}

export interface KafkaLogThreadSnapshot extends ThreadSnapshotBase {
  kind: 'kafkaLog';
  /** Messages that wait for Kafka. */
  queuedBytes: number;
  appended: { messages: number; batches: number; failures: number };
  /** Times that this node joined the group, the first among them. */
  rebalances: number;
  partitionsOwned: number;
}

export interface MainThreadSnapshot extends ThreadSnapshotBase {
  kind: 'main';
  version: string;
  /** Supervised threads and actors, of all supervisors together. */
  children: readonly Pick<ChildStatus, 'name' | 'state' | 'restarts'>[];
  gateway: ReturnType<Gateway['stats']>;
  liveConnections: number;
  /** Of the disk that holds the data directory, as far as the engine may use them; NaN: the system does not say. */
  dataDiskFreeBytes: number;
}

export type ThreadSnapshot = IngestThreadSnapshot | ShardThreadSnapshot | PartitionThreadSnapshot | KafkaLogThreadSnapshot | SinkThreadSnapshot | AlertThreadSnapshot | BillingThreadSnapshot | MainThreadSnapshot;

const counter = (name: string, help: string): MetricDefinition => ({ name, help, type: 'counter' });
const gauge = (name: string, help: string): MetricDefinition => ({ name, help, type: 'gauge' });
const histogram = (name: string, help: string): MetricDefinition => ({ name, help, type: 'histogram' });

/** Every metric of the engine, beside prom-client's process metrics. */
export const METRIC = {
  buildInfo: gauge('seg_build_info', '1; the labels say which version runs.'),
  readings: counter('seg_readings_total', 'Readings answered, by outcome: accepted (on disk and counted), duplicate, rejected.'),
  rejects: counter('seg_rejects_total', 'Rejected readings by reason.'),
  requests: counter('seg_requests_total', 'Answered requests of the ingest port by HTTP status; 0: the sender went away before its answer.'),
  bodyBytes: counter('seg_request_body_bytes_total', 'Bytes of ingest request bodies, after decompression.'),
  requestsPending: gauge('seg_requests_pending', 'Ingest requests taken and not yet answered.'),
  bufferedBytes: gauge('seg_request_buffered_bytes', 'Memory of ingest request bodies being received or inflated.'),
  batches: counter('seg_batches_total', 'Batches from ingest threads to shards, by outcome: stored, failed.'),
  ackLatency: histogram('seg_ack_latency_seconds', 'Time from the last byte of an ingest request to its durable acknowledgement.'),
  gatewayRequests: counter('seg_gateway_requests_total', 'Answered requests of the gateway by HTTP status; 0: the client went away before its answer.'),
  gatewayQueries: gauge('seg_gateway_queries_in_flight', 'Queries being answered.'),
  liveConnections: gauge('seg_live_connections', 'Open WebSockets of the live stream.'),
  queuedReadings: gauge('seg_queued_readings', 'Readings in ingest threads that wait for a shard.'),
  windowsClosed: counter('seg_windows_closed_total', 'Windows closed for the first time.'),
  windowsCorrected: counter('seg_windows_corrected_total', 'Closed windows amended by a late reading.'),
  lateReadings: counter('seg_late_readings_total', 'Accepted readings that came after their window had closed.'),
  deadLetters: counter('seg_dead_letters_total', 'Rejected readings written to the dead-letter store.'),
  meters: gauge('seg_meters', 'Meters held by a shard.'),
  anomaliesOpen: gauge('seg_anomalies_open', 'Anomalies that go on, by kind.'),
  lmdbBytes: gauge('seg_lmdb_bytes', 'Size of a shard\'s LMDB environment on disk.'),
  logRefused: gauge('seg_log_partition_refused', '1 while a partition of the log in Kafka that is this node\'s cannot be served, by the code of the reason.'),
  storageRefuses: gauge('seg_storage_refuses', '1 while a shard refuses readings, or a partition is not served, because the disk has no room, else 0.'),
  dataDiskFree: gauge('seg_data_disk_free_bytes', 'Free space on the disk that holds the data directory.'),
  consumptionLag: gauge('seg_consumption_lag_records', 'Log records (batches, mostly) appended and not yet counted.'),
  journalLagRecords: gauge('seg_journal_lag_records', 'Journalled readings not yet covered by a snapshot.'),
  journalLagBytes: gauge('seg_journal_lag_bytes', 'Bytes of journal not yet covered by a snapshot: what a restart reads again.'),
  journalBytes: counter('seg_journal_bytes_total', 'Bytes of readings and other records appended to the journal.'),
  checkpointAge: gauge('seg_checkpoint_age_seconds', 'Age of a shard\'s newest snapshot.'),
  unwrittenShare: gauge('seg_unwritten_share', 'How much of its bound what a shard has counted and not written takes; at 1 it takes no readings until it has written some.'),
  unwrittenPages: gauge('seg_unwritten_pages', 'Pages of 64 meters that changed since their snapshot was written; each is within twice SEG_CHECKPOINT_INTERVAL.'),
  checkpointSteps: histogram('seg_checkpoint_step_seconds', 'Time that one step of a checkpoint held its shard.'),
  checkpointStepMax: gauge('seg_checkpoint_step_max_seconds', 'The longest time that one step of a checkpoint held its shard, since its thread started.'),
  logLag: gauge('seg_log_lag_records', 'Offsets of a partition of the log in Kafka that its owner has yet to fold.'),
  logFolded: counter('seg_log_folded_readings_total', 'Readings folded from the log in Kafka, those read again after a takeover among them.'),
  logDuplicates: counter('seg_log_duplicates_total', 'Readings in the log in Kafka that had been counted before.'),
  logAppended: counter('seg_log_appended_messages_total', 'Messages that this node has put into the log in Kafka.'),
  logAppendFailures: counter('seg_log_append_failures_total', 'Batches that did not get into the log in Kafka in time.'),
  logQueuedBytes: gauge('seg_log_queued_bytes', 'Messages that wait for the log in Kafka.'),
  logReplayBytes: gauge('seg_log_replay_bytes', 'Bytes of log that another node would read again if it took the partition now, about.'),
  rebalances: counter('seg_cluster_joins_total', 'Times that this node joined the group of nodes: once at the start, and after each change.'),
  partitionsOwned: gauge('seg_cluster_partitions', 'Partitions that this node has or is taking.'),
  outboxBytes: gauge('seg_outbox_bytes', 'Keys a shard holds of what some sink has not taken, in bytes; past SEG_OUTBOX_BYTES_MAX the oldest go.'),
  sinkUp: gauge('seg_sink_up', '1 while the sink takes what it is given, 0 while it is away, refuses or is being connected to.'),
  sinkLag: gauge('seg_sink_lag_seconds', 'How old the oldest thing is, at most, that the sink has not taken.'),
  sinkRows: counter('seg_sink_rows_total', 'Rows or messages that the sink has taken.'),
  sinkBatches: counter('seg_sink_batches_total', 'Batches that the sink has taken.'),
  sinkSetAside: counter('seg_sink_set_aside_total', 'Rows that the sink can never take, left out with a line in the log.'),
  sinkFailures: counter('seg_sink_failures_total', 'Attempts to connect, read and write that failed.'),
  alertsActive: gauge('seg_alerts_active', 'Alerts that are not resolved, by severity.'),
  alertsAcknowledged: gauge('seg_alerts_acknowledged', 'Alerts that are not resolved and that somebody has acknowledged.'),
  alertsSuppressed: gauge('seg_alerts_suppressed', 'Alerts that are not resolved and that nobody is told of: silenced, in maintenance, inhibited or flapping.'),
  alertsOpened: counter('seg_alerts_opened_total', 'Alerts opened, by type.'),
  alertsDropped: counter('seg_alerts_dropped_total', 'Signals and episodes left out because there were too many at once.'),
  alertsStoreBytes: gauge('seg_alerts_store_bytes', 'Size of the store of alerts, notifications and people on disk.'),
  billingQuestions: counter('seg_billing_questions_total', 'Questions and commands about tariffs and bills that were answered, by what they need: books, energy.'),
  billingRunsUnderWay: gauge('seg_billing_runs_under_way', 'Monthly runs that are not done.'),
  billingBilled: counter('seg_billing_agreements_total', 'Agreements that monthly runs got through, by outcome: billed, failed.'),
  billingCompared: counter('seg_billing_compared_total', 'Issued bills that were held against the intervals as they are now.'),
  billingCorrected: counter('seg_billing_corrected_total', 'Issued bills that were taken back and made anew because readings came late or were corrected.'),
  billingEvents: counter('seg_billing_events_total', 'Bills, payments, disputes and prices that changed.'),
  billingCommitSeconds: counter('seg_billing_commit_seconds_total', 'Time that turns of the tariff supervisor waited for the disk.'),
  billingWaiting: gauge('seg_billing_waiting', 'Questions and loads that wait for the tariff supervisor.'),
  billingTariffVersions: gauge('seg_billing_tariff_versions', 'Versions of tariffs.'),
  billingStoreBytes: gauge('seg_billing_store_bytes', 'Size of the store of tariffs, agreements, bills and prices on disk.'),
  notificationsSent: counter('seg_notifications_sent_total', 'Messages that a provider has taken, by channel.'),
  notificationsFailed: counter('seg_notifications_failed_total', 'Messages that a provider has refused for good, by channel; the next channel is tried.'),
  notificationsRetried: counter('seg_notifications_retried_total', 'Attempts that certainly did not go, and are made again.'),
  notificationsUnknown: counter('seg_notifications_unknown_total', 'Attempts of which nobody knows whether they went, by channel.'),
  notificationsUndelivered: counter('seg_notifications_undelivered_total', 'Notifications that reached their person on no channel.'),
  notificationCircuitOpen: gauge('seg_notification_circuit_open', '1 while nothing is sent over the channel because its provider fails, else 0.'),
  notificationQueue: gauge('seg_notification_queue', 'Notifications that wait for their turn, by channel.'),
  notificationOldestAge: gauge('seg_notification_oldest_age_seconds', 'Age of the oldest notification that is due and has not gone; 0 without any.'),
  mailboxDepth: gauge('seg_mailbox_depth', 'Messages in an actor\'s mailbox, the one being handled included.'),
  mailboxRefused: counter('seg_mailbox_refused_total', 'Messages turned away by a full mailbox.'),
  mailboxWait: histogram('seg_mailbox_wait_seconds', 'Time a message waited before its actor took it up.'),
  mailboxHandling: histogram('seg_mailbox_handling_seconds', 'Time an actor took for a message.'),
  actorUp: gauge('seg_actor_up', '1 while a supervised actor or thread is up, else 0.'),
  actorRestarts: counter('seg_actor_restarts_total', 'Restarts by the supervisor.'),
  eventLoopDelay: gauge('seg_event_loop_delay_seconds', 'How much later than due a thread\'s event loop came round, since its previous heartbeat: p50, p99, max.'),
  traceSpans: counter('seg_trace_spans_total', 'Spans of traced requests, by outcome: sent, or lost because the collector did not take them or too many waited.'),
  threadHeapBytes: gauge('seg_thread_heap_bytes', 'JavaScript heap in use by a thread.'),
  threadExternalBytes: gauge('seg_thread_external_bytes', 'Memory of a thread outside its heap, ArrayBuffers among it.'),
} as const;

/** A thread's snapshot as metric families, for ThreadMetrics.report(snapshot.thread, snapshot.epoch, …). */
export function familiesOf(snapshot: ThreadSnapshot): MetricFamily[] {
  const families = new MetricFamilies();
  switch (snapshot.kind) {
    case 'ingest':
      addIngest(families, snapshot);
      break;
    case 'shard':
      addShard(families, snapshot);
      break;
    case 'partitions':
      addPartitions(families, snapshot);
      break;
    case 'kafkaLog':
      addKafkaLog(families, snapshot);
      break;
    case 'sinks':
      addSinks(families, snapshot);
      break;
    case 'billing':
      addBilling(families, snapshot);
      break;
    case 'alerts':
      addAlerts(families, snapshot);
      break;
    case 'main':
      addMain(families, snapshot);
      break;
  }
  addThread(families, snapshot);
  return families.list();
}

function addIngest(families: MetricFamilies, { server, actor }: IngestThreadSnapshot): void {
  const rejects = Object.entries(actor.rejects);
  const rejected = rejects.reduce((sum, [, count]) => sum + count, 0);
  families.add(METRIC.readings, { outcome: 'accepted' }, actor.readingsAccepted);
  families.add(METRIC.readings, { outcome: 'duplicate' }, actor.readingsDuplicate);
  families.add(METRIC.readings, { outcome: 'rejected' }, rejected);
  for (const [code, count] of rejects) families.add(METRIC.rejects, { code }, count);
  addResponses(families, METRIC.requests, server.http);
  families.add(METRIC.requestsPending, {}, actor.requestsPending);
  families.add(METRIC.bodyBytes, {}, actor.bodyBytes);
  families.add(METRIC.bufferedBytes, {}, server.bodies.bufferedBytes);
  families.addDurations(METRIC.ackLatency, {}, ACK_BUCKETS_MS, actor.ackLatency);
  const { sent, inFlight, failed } = actor.batches;
  families.add(METRIC.batches, { outcome: 'stored' }, sent - inFlight - failed);
  families.add(METRIC.batches, { outcome: 'failed' }, failed);
  for (const [shard, { queuedReadings }] of actor.shards.entries()) families.add(METRIC.queuedReadings, { shard }, queuedReadings);
}

function addResponses(families: MetricFamilies, definition: MetricDefinition, http: IngestServerStats['http']): void {
  families.add(definition, { status: '0' }, http.aborted);
  for (const [status, count] of Object.entries(http.responses)) families.add(definition, { status }, count);
}

function addShard(families: MetricFamilies, snapshot: ShardThreadSnapshot): void {
  const { shard } = snapshot;
  for (const granularity of GRANULARITIES) families.add(METRIC.windowsClosed, { granularity }, snapshot.windowsClosed[granularity]);
  families.add(METRIC.windowsCorrected, {}, snapshot.windowsCorrected);
  families.add(METRIC.lateReadings, {}, snapshot.lateReadings);
  families.add(METRIC.deadLetters, {}, snapshot.deadLetters);
  families.add(METRIC.meters, { shard }, snapshot.meters);
  for (const kind of ANOMALY_KINDS) families.add(METRIC.anomaliesOpen, { kind }, snapshot.anomaliesOpen[kind]);
  families.add(METRIC.lmdbBytes, { shard }, snapshot.lmdbBytes);
  families.add(METRIC.storageRefuses, { shard }, snapshot.storageRefuses ? 1 : 0);
  families.add(METRIC.consumptionLag, { shard }, snapshot.consumptionLagRecords);
  families.add(METRIC.journalLagRecords, { shard }, snapshot.journalLagRecords);
  families.add(METRIC.journalLagBytes, { shard }, snapshot.journalLagBytes);
  families.add(METRIC.journalBytes, {}, snapshot.journalBytesAppended);
  if (snapshot.outboxBytes !== null) families.add(METRIC.outboxBytes, { shard }, snapshot.outboxBytes);
  families.add(METRIC.unwrittenShare, { shard }, snapshot.unwrittenShare);
  families.add(METRIC.unwrittenPages, { shard }, snapshot.unwrittenPages);
  families.addDurations(METRIC.checkpointSteps, { shard }, MAILBOX_BUCKETS_MS, snapshot.checkpointSteps);
  families.add(METRIC.checkpointStepMax, { shard }, snapshot.checkpointSteps.maxMs / 1_000);
  families.add(METRIC.checkpointAge, { shard }, snapshot.checkpointAgeMs === null ? NaN : snapshot.checkpointAgeMs / 1_000);
}

/** Under the names that shards use where they mean the same, a partition for a shard. */
function addPartitions(families: MetricFamilies, { partitions, refused, totals }: PartitionThreadSnapshot): void {
  GRANULARITIES.forEach((granularity, i) => families.add(METRIC.windowsClosed, { granularity }, totals.windowsClosed[i]));
  families.add(METRIC.windowsCorrected, {}, totals.windowsCorrected);
  families.add(METRIC.lateReadings, {}, totals.late);
  families.add(METRIC.deadLetters, {}, totals.deadLetters);
  families.add(METRIC.logFolded, {}, totals.readings);
  families.add(METRIC.logDuplicates, {}, totals.duplicates);
  for (const [partition, code] of refused) {
    families.add(METRIC.logRefused, { partition, code }, 1);
    families.add(METRIC.storageRefuses, { shard: partition }, code === 'storage_full' ? 1 : 0);
  }
  for (const { partition, meters, storeBytes, replayBytes, lagRecords, checkpointAgeMs, outboxBytes, anomaliesOpen } of partitions) {
    families.add(METRIC.meters, { shard: partition }, meters);
    families.add(METRIC.lmdbBytes, { shard: partition }, storeBytes);
    families.add(METRIC.checkpointAge, { shard: partition }, checkpointAgeMs / 1_000);
    families.add(METRIC.storageRefuses, { shard: partition }, 0);
    families.add(METRIC.logLag, { partition }, lagRecords);
    families.add(METRIC.logReplayBytes, { partition }, replayBytes);
    if (outboxBytes !== null) families.add(METRIC.outboxBytes, { shard: partition }, outboxBytes);
    for (const kind of ANOMALY_KINDS) families.add(METRIC.anomaliesOpen, { kind }, anomaliesOpen[kind]);
  }
}

function addKafkaLog(families: MetricFamilies, { queuedBytes, appended, rebalances, partitionsOwned }: KafkaLogThreadSnapshot): void {
  families.add(METRIC.logQueuedBytes, {}, queuedBytes);
  families.add(METRIC.logAppended, {}, appended.messages);
  families.add(METRIC.logAppendFailures, {}, appended.failures);
  families.add(METRIC.rebalances, {}, rebalances);
  families.add(METRIC.partitionsOwned, {}, partitionsOwned);
}

function addSinks(families: MetricFamilies, { sinks }: SinkThreadSnapshot): void {
  for (const figures of sinks) {
    const { sink, state, lagMs, openFailures } = figures;
    const total = (of: keyof LaneTotals): number => totalOf(figures, of);
    families.add(METRIC.sinkUp, { sink }, state === 'running' ? 1 : 0);
    families.add(METRIC.sinkLag, { sink }, lagMs / 1_000);
    families.add(METRIC.sinkRows, { sink }, total('rows'));
    families.add(METRIC.sinkBatches, { sink }, total('batches'));
    families.add(METRIC.sinkSetAside, { sink }, total('setAside'));
    families.add(METRIC.sinkFailures, { sink }, openFailures + total('failures'));
  }
}

function addBilling(families: MetricFamilies, { billing, storeBytes }: BillingThreadSnapshot): void {
  families.add(METRIC.billingQuestions, { needs: 'books' }, billing.questions);
  families.add(METRIC.billingQuestions, { needs: 'energy' }, billing.costs);
  families.add(METRIC.billingRunsUnderWay, {}, billing.runsUnderWay);
  families.add(METRIC.billingBilled, { outcome: 'billed' }, billing.billed);
  families.add(METRIC.billingBilled, { outcome: 'failed' }, billing.billingFaults);
  families.add(METRIC.billingCompared, {}, billing.compared);
  families.add(METRIC.billingCorrected, {}, billing.corrected);
  families.add(METRIC.billingEvents, {}, billing.events);
  families.add(METRIC.billingCommitSeconds, {}, billing.commitMsTotal / 1_000);
  families.add(METRIC.billingWaiting, {}, billing.waiting);
  families.add(METRIC.billingTariffVersions, {}, billing.tariffVersions);
  families.add(METRIC.billingStoreBytes, {}, storeBytes);
}

function addAlerts(families: MetricFamilies, { alerts, active, opened, notifications, storeBytes }: AlertThreadSnapshot): void {
  for (const severity of SEVERITIES) families.add(METRIC.alertsActive, { severity }, active.bySeverity[severity]);
  families.add(METRIC.alertsAcknowledged, {}, active.acknowledged);
  families.add(METRIC.alertsSuppressed, {}, active.suppressed);
  for (const type of ALERT_TYPES) families.add(METRIC.alertsOpened, { type }, opened[type]);
  families.add(METRIC.alertsDropped, {}, alerts.dropped);
  families.add(METRIC.alertsStoreBytes, {}, storeBytes);
  for (const channel of CHANNEL_NAMES) {
    const figures = notifications.channels[channel];
    families.add(METRIC.notificationsSent, { channel }, figures.sent);
    families.add(METRIC.notificationsFailed, { channel }, figures.rejected);
    families.add(METRIC.notificationsRetried, { channel }, figures.retried);
    families.add(METRIC.notificationsUnknown, { channel }, figures.unknown);
    families.add(METRIC.notificationCircuitOpen, { channel }, figures.circuit === 'closed' ? 0 : 1);
    families.add(METRIC.notificationQueue, { channel }, figures.waiting);
  }
  families.add(METRIC.notificationsUndelivered, {}, notifications.deliveries.failed);
  families.add(METRIC.notificationOldestAge, {}, notifications.oldestDueMs / 1_000);
}

function addMain(families: MetricFamilies, snapshot: MainThreadSnapshot): void {
  families.add(METRIC.buildInfo, { version: snapshot.version }, 1);
  for (const { name, state, restarts } of snapshot.children) {
    families.add(METRIC.actorUp, { actor: name }, state === 'up' ? 1 : 0);
    families.add(METRIC.actorRestarts, { actor: name }, restarts);
  }
  addResponses(families, METRIC.gatewayRequests, snapshot.gateway);
  families.add(METRIC.gatewayQueries, {}, snapshot.gateway.queriesInFlight);
  families.add(METRIC.liveConnections, {}, snapshot.liveConnections);
  families.add(METRIC.dataDiskFree, {}, snapshot.dataDiskFreeBytes);
}

function addThread(families: MetricFamilies, snapshot: ThreadSnapshotBase): void {
  for (const [actor, mailbox] of Object.entries(snapshot.mailboxes)) {
    families.add(METRIC.mailboxDepth, { actor }, mailbox.depth);
    families.add(METRIC.mailboxRefused, { actor }, mailbox.refused);
    families.addDurations(METRIC.mailboxWait, { actor }, MAILBOX_BUCKETS_MS, mailbox.wait);
    families.addDurations(METRIC.mailboxHandling, { actor }, MAILBOX_BUCKETS_MS, mailbox.handle);
  }
  const { thread, stats, tracing } = snapshot;
  if (tracing !== undefined) {
    families.add(METRIC.traceSpans, { outcome: 'sent' }, tracing.spansSent);
    families.add(METRIC.traceSpans, { outcome: 'lost' }, tracing.spansLost);
  }
  if (stats === null) return;
  // No `quantile`, which belongs to summaries.
  families.add(METRIC.eventLoopDelay, { thread, statistic: 'p50' }, stats.eventLoopDelayP50Ms / 1_000);
  families.add(METRIC.eventLoopDelay, { thread, statistic: 'p99' }, stats.eventLoopDelayP99Ms / 1_000);
  families.add(METRIC.eventLoopDelay, { thread, statistic: 'max' }, stats.eventLoopDelayMaxMs / 1_000);
  families.add(METRIC.threadHeapBytes, { thread }, stats.heapUsedBytes);
  families.add(METRIC.threadExternalBytes, { thread }, stats.externalBytes);
}
