import { z } from 'zod';
import { ANOMALY_KINDS, SEVERITIES } from '../model/anomaly.ts';
import { GRANULARITIES } from '../model/window.ts';
import { WAITING_WORK } from './engine-port.ts';
import { REJECT_CODES } from './reject-codes.ts';

/** What goes over the wire, as the API's document says it (openapi-document.ts). Shapes (wire-shapes.ts and its siblings) give exactly this: the compiler holds them to it, and a test every answer. */

/** In UTC with milliseconds, as `2026-01-15T12:00:00.000Z`. */
export const timeText = z.iso.datetime({ precision: 3 });
export const timeOrNull = timeText.nullable();
export const idText = z.string();
export const count = z.int().min(0);
export const loadPercentNumber = z.number().nullable().describe('Of the capacity, with two places. Null without one.');
export const severityName = z.enum(SEVERITIES);

/** A page of a list: `nextCursor`, given as `cursor`, goes on where it ended; null on the last. */
export function pageOf<Row extends z.ZodType>(row: Row) {
  return z.strictObject({ data: z.array(row), nextCursor: z.string().nullable() });
}

const anomalyKind = z.enum(ANOMALY_KINDS);

const meterSummary = z.strictObject({
  meterId: idText,
  region: idText,
  partition: count,
  health: z.enum(['reporting', 'silent', 'historical']).describe('`historical`: its newest reading was old when it came, so silence means nothing.'),
  newestTimestamp: timeText,
  lastPowerKw: z.number(),
  openAnomalies: z.array(anomalyKind),
});
export const meterSummarySchema = meterSummary.meta({ id: 'MeterSummary' });

const reading = z
  .strictObject({
    timestamp: timeText,
    receivedAt: timeText,
    powerKw: z.number(),
    energyKwh: z.number().nullable(),
    voltage: z.number().nullable(),
    current: z.number().nullable(),
    frequency: z.number().nullable(),
    powerFactor: z.number().nullable(),
    seq: z.number().nullable(),
    status: z.enum(['OK', 'ERROR']),
  })
  .meta({ id: 'Reading' });

const baseline = z
  .strictObject({
    meanKw: z.number(),
    deviationKw: z.number(),
    windows: count,
    warm: z.boolean(),
    hourOfWeek: z.array(z.strictObject({ hour: count, meanKw: z.number(), deviationKw: z.number() })).describe('0 is Monday 00:00 UTC; empty until there is enough history.'),
  })
  .meta({ id: 'Baseline' });

export const meterSchema = z.strictObject({ ...meterSummary.shape, lastReading: reading, readings: count.nullable().describe('Null for a consumer who has the meter since a day: it counts all there ever were.'), cadenceMs: z.number().nullable(), baseline }).meta({ id: 'Meter' });

export const meterWindowSchema = z
  .strictObject({
    meterId: idText,
    region: idText,
    granularity: z.enum(GRANULARITIES),
    windowStart: timeText,
    windowEnd: timeText.describe('The first moment that is not in it.'),
    avgPowerKw: z.number(),
    minPowerKw: z.number(),
    maxPowerKw: z.number(),
    energyKwhSum: z.number(),
    energySource: z.enum(['measured', 'estimated']),
    voltageAvg: z.number().nullable(),
    voltageMin: z.number().nullable(),
    voltageMax: z.number().nullable(),
    count,
    revision: count.describe('0 as first closed; one more for each correction.'),
    final: z.boolean().describe('False while it is open.'),
  })
  .meta({ id: 'MeterWindow' });

export const regionWindowSchema = z
  .strictObject({
    region: idText,
    granularity: z.enum(GRANULARITIES),
    windowStart: timeText,
    windowEnd: timeText,
    metersReporting: count,
    sumPowerKw: z.number(),
    avgPowerKw: z.number(),
    minPowerKw: z.number(),
    maxPowerKw: z.number(),
    energyKwhSum: z.number(),
    capacityKw: z.number().nullable(),
    loadPercent: loadPercentNumber,
    final: z.boolean(),
  })
  .meta({ id: 'RegionWindow' });

export const regionSchema = z
  .strictObject({
    region: idText,
    meters: count,
    metersReporting: count,
    metersSilent: count,
    loadKw: z.number(),
    capacityKw: z.number().nullable(),
    loadPercent: loadPercentNumber,
    openAnomalies: count,
  })
  .meta({ id: 'Region' });

export const anomalySchema = z
  .strictObject({
    id: idText,
    meterId: idText,
    region: idText,
    kind: anomalyKind,
    severity: severityName,
    startedAt: timeText,
    endedAt: timeOrNull.describe('null while it goes on.'),
    endReason: z.enum(['recovered', 'adapted']).nullable(),
    value: z.number(),
    expected: z.number(),
    score: z.number(),
    message: z.string(),
  })
  .meta({ id: 'Anomaly' });

export const deadLetterSchema = z
  .strictObject({ id: idText, receivedAt: timeText, code: z.enum(REJECT_CODES), message: z.string(), index: count, meterId: z.string().nullable(), raw: z.string().describe('As it was sent, cut to 512 bytes.') })
  .meta({ id: 'DeadLetter' });

const partState = z.enum(['starting', 'up', 'restarting', 'down']);
const clusterStatus = z.strictObject({
  nodeId: idText,
  generation: z.number(),
  inTouch: z.boolean(),
  nodes: z.array(z.strictObject({ nodeId: idText, url: z.string(), partitions: count, answers: z.boolean() })),
  partitions: z.array(z.strictObject({ partition: count, nodeId: idText.nullable(), state: z.enum(['taking', 'ready', 'refused']).nullable(), lagRecords: z.number().nullable() })),
});
const alertsStatus = z.strictObject({
  state: partState,
  problem: z.string().nullable(),
  active: z.strictObject({ bySeverity: z.record(severityName, count), suppressed: count }).nullable(),
  channels: z.array(z.strictObject({ channel: z.string(), state: z.enum(['on', 'off', 'failing']) })),
});

const sinkStatus = z.strictObject({ sink: z.enum(['timescale', 'kafka']), state: z.enum(['connecting', 'running', 'waiting', 'failed', 'down']), lagMs: z.number().nullable(), setAside: count.nullable(), problem: z.string().nullable() });

export const engineSchema = z
  .strictObject({
    state: z.enum(['starting', 'ready', 'degraded', 'stopping']),
    version: z.string(),
    startedAt: timeText,
    now: timeText,
    log: z.enum(['lmdb', 'kafka']),
    partitions: count,
    shards: z.array(z.strictObject({ shard: count, state: partState, restarts: count, meters: count.nullable(), journalLagRecords: z.number().nullable(), checkpointAgeMs: z.number().nullable() })),
    sinks: z.array(sinkStatus),
    alerts: alertsStatus.nullable(),
    billing: z.strictObject({ state: z.enum([...partState.options, 'idle']), problem: z.string().nullable(), runsUnderWay: count.nullable() }).nullable(),
    cluster: clusterStatus.nullable(),
    queues: z
      .array(
        z.strictObject({
          part: z.string(),
          work: z.enum(WAITING_WORK).describe('`records`: in the log and not yet counted. `effects`: questions of systems beside the engine for what closed. `deliveries`: messages to people that are not done, those for later included.'),
          waiting: count,
          waitingMax: count.nullable().describe('Since its thread started; null where nobody counts.'),
          refused: count.nullable(),
        }),
      )
      .describe('What waits in the parts of the engine, as of a second ago at most.'),
    meters: count,
    readingsAccepted: count,
    acceptedPerSecond: z.number(),
    rejectedPerSecond: z.number(),
    ackLatencyP99Ms: z.number().nullable(),
    ingestUrl: z.string(),
  })
  .meta({ id: 'Engine' });

export const operationsSchema = z
  .strictObject({
    version: z.string(),
    nodeVersion: z.string(),
    startedAt: timeText,
    now: timeText,
    uptimeSeconds: count,
    rssBytes: count,
    diskFreeBytes: z.number().nullable().describe('On the disk of the data directory; null when it is not known.'),
    gateway: z.strictObject({ queriesInFlight: count, queriesRefused: count, requestsAborted: count, liveConnections: count }),
    parts: z.array(
      z.strictObject({
        name: z.string(),
        state: z.enum(['down', 'starting', 'up', 'backing_off', 'stopping']),
        restarts: count,
        lastExit: z.string().nullable().describe('How its last incarnation ended; null: none has.'),
        eventLoopDelayP99Ms: z.number().nullable(),
        heapUsedBytes: count.nullable(),
        externalBytes: count.nullable(),
      }),
    ).describe('Threads and actors that are supervised.'),
    queues: z.array(
      z.strictObject({ thread: z.string(), queue: z.string(), depth: count, depthMax: count, handled: count, failed: count, refused: count, waitMeanMs: z.number(), waitMaxMs: z.number(), handleMeanMs: z.number(), handleMaxMs: z.number() }),
    ).describe('Since their threads started.'),
    sinks: z.array(sinkStatus),
    settings: z.array(z.strictObject({ name: z.string(), value: z.string().nullable().describe('As JSON, durations in milliseconds; null of a secret and of what is not set.'), isSecret: z.boolean(), isSet: z.boolean() })),
  })
  .meta({ id: 'Operations' });
