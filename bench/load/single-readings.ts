import autocannon from 'autocannon';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ReadingSource } from './reading-source.ts';

/**
 * One reading a request with autocannon, as a process of its own. autocannon parses HTTP in JavaScript and builds each request anew, so at the
 * maximum its own core is the limit sooner than with fixed-rate.ts; compare both.
 */

export interface SingleReadingsOptions {
  port: number;
  connections: number;
  /** Requests a second over all connections, or null for the maximum. */
  requestsPerSecond: number | null;
  durationMs: number;
  meters: number;
}

export interface SingleReadingsResult {
  requestsPerSecond: number;
  /** autocannon corrects for coordinated omission when the rate is fixed. */
  latencyMs: { p50: number; p90: number; p99: number; p999: number; max: number };
  errors: Record<string, number>;
  clientCpuShare: number;
  bytesPerReading: number;
  /** Answers that say one reading was accepted. autocannon drops what is in flight at its end: the engine may have `connections` more. */
  accepted: number;
}

const ONE_ACCEPTED = '{"accepted":1,';

/** Runs one load. */
export async function runSingleReadings(options: SingleReadingsOptions): Promise<SingleReadingsResult> {
  // One source for all connections: a meter comes up again only after all others, long after its answer.
  const source = new ReadingSource({
    format: 'json',
    firstMeter: 0,
    meterCount: options.meters,
    readingsPerBatch: 1,
    withReadingIds: true,
    runId: Date.now().toString(36),
    eventTime: { kind: 'wall' },
    head: () => '',
  });
  const errors: Record<string, number> = {};
  let accepted = 0;
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const result = await autocannon({
    url: `http://127.0.0.1:${options.port}`,
    connections: options.connections,
    duration: options.durationMs / 1_000,
    ...(options.requestsPerSecond === null ? {} : { overallRate: options.requestsPerSecond }),
    requests: [
      {
        method: 'POST',
        path: '/ingest',
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => ({ ...request, body: source.bytesOf(source.next(Date.now())) }),
        onResponse: (status, body) => {
          if (status === 202 && body.startsWith(ONE_ACCEPTED)) accepted++;
          else errors[status] = (errors[status] ?? 0) + 1;
        },
      },
    ],
  });
  const used = process.cpuUsage(cpu);
  const { latency } = result;
  if (result.errors > 0 || result.timeouts > 0) errors.connection = result.errors + result.timeouts;
  return {
    requestsPerSecond: result.requests.average,
    latencyMs: { p50: latency.p50, p90: latency.p90, p99: latency.p99, p999: latency.p99_9, max: latency.max },
    errors,
    clientCpuShare: (used.user + used.system) / 1_000 / (performance.now() - startedMs),
    bytesPerReading: source.bytesPerReading,
    accepted,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { options: { type: 'string' } } });
  if (values.options === undefined) {
    process.stderr.write('node bench/load/single-readings.ts --options <JSON of SingleReadingsOptions>\n');
    process.exit(2);
  }
  process.stdout.write(`${JSON.stringify(await runSingleReadings(JSON.parse(values.options) as SingleReadingsOptions))}\n`);
}
