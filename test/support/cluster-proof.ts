import { setTimeout as sleep } from 'node:timers/promises';
import { Availability } from '../../src/cli/prove/availability.ts';
import { Findings, ProofOracle } from '../../src/cli/prove/oracle.ts';
import { ProofLoad } from '../../src/cli/prove/proof-load.ts';
import { ProofReadings } from '../../src/cli/prove/proof-readings.ts';
import { checkWindows } from '../../src/cli/prove/window-check.ts';
import { startKafka, type KafkaCluster } from '../services/kafka.ts';
import { servicePort } from '../services/service-process.ts';
import { meterWindows, regionWindows, type WireWindow } from './engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from './engine-process.ts';
import { RegionalSums } from './regional-sums.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Engines that share a log in one broker, each behind a door of its own that can be shut, under the load and before the oracle of `seg prove`. */

export interface ClusterProofOptions {
  /** Places for nodes; each keeps its door and its data directory. */
  places: number;
  partitions: number;
  meters: number;
  seed: number;
}

/** What /api/v1/engine tells of the nodes. */
export interface WireCluster {
  nodeId: string;
  inTouch: boolean;
  nodes: { nodeId: string; partitions: number; answers: boolean }[];
  partitions: { partition: number; nodeId: string | null; state: string | null; lagRecords: number | null }[];
}

interface Place {
  proxy: TcpProxy;
  dataDir: string;
  engine: EngineProcess | null;
  isCut: boolean;
}

const MINUTE_MS = 60_000;
const PAST_MS = 100 * 24 * 60 * MINUTE_MS;
const AHEAD_MS = 2 * 60 * MINUTE_MS;
/** A node that is gone without a word is noticed after the group's session of 10 s; two cores may be busy with others. */
const SETTLE_MS = 60_000;
/** What is in the log is folded within a second; a node that reads a partition again takes longer. */
const FOLD_MS = 30_000;
const POLL_MS = 100;

export class ClusterProof {
  readonly oracle: ProofOracle;
  readonly load: ProofLoad;
  readonly kafka: KafkaCluster;
  private readonly options: ClusterProofOptions;
  private readonly places: Place[];
  private readonly availability = new Availability(() => performance.now());
  /** Of answers to senders. */
  private readonly answers = new Findings();
  private readonly firstMinute = Math.floor((Date.now() - PAST_MS) / (15 * MINUTE_MS)) * 15;

  private constructor(options: ClusterProofOptions, kafka: KafkaCluster, places: Place[]) {
    this.options = options;
    this.kafka = kafka;
    this.places = places;
    this.oracle = new ProofOracle(new ProofReadings(options.seed));
    this.load = new ProofLoad(
      { ingestUrls: () => this.ingestUrls(), answersTellOutcomes: false, seed: options.seed, meters: options.meters, firstMinute: this.firstMinute },
      { oracle: this.oracle, findings: this.answers, availability: this.availability },
    );
  }

  /** With the broker up, and no node. */
  static async start(options: ClusterProofOptions): Promise<ClusterProof> {
    const places: Place[] = [];
    const doors: { port: number; advertisedPort: number }[] = [];
    while (places.length < options.places) {
      const proxy = await TcpProxy.start();
      const port = await servicePort();
      proxy.leadTo(port);
      doors.push({ port, advertisedPort: proxy.port });
      places.push({ proxy, dataDir: temporaryDirectory(), engine: null, isCut: false });
    }
    return new ClusterProof(options, await startKafka({ doors }), places);
  }

  get placesInUse(): number[] {
    return this.places.flatMap(({ engine, isCut }, at) => (engine !== null && !isCut ? [at] : []));
  }

  /** The longest time that no sender was served, since the last look, ms. */
  takeUnavailableMs(): number {
    return this.availability.take();
  }

  engineAt(place: number): EngineProcess {
    return this.places[place].engine!;
  }

  /** Starts a node; resolves when it is ready. */
  async startNode(place: number): Promise<void> {
    const at = this.places[place];
    const settings = {
      LOG: 'kafka',
      KAFKA_BROKERS: `127.0.0.1:${at.proxy.port}`,
      PARTITIONS: String(this.options.partitions),
      SHARDS: '1',
      LATENESS: '1s',
      CORRECTION_HORIZON: '365d',
      CHECKPOINT_INTERVAL: '1s',
      KAFKA_RESULTS: 'off',
    };
    at.engine = await EngineProcess.start({ dataDir: at.dataDir, settings });
  }

  async kill9(place: number): Promise<void> {
    await this.engineAt(place).kill9();
    this.places[place].engine = null;
  }

  /** Orderly. */
  async stopNode(place: number): Promise<number | null> {
    const code = await this.engineAt(place).stop();
    this.places[place].engine = null;
    return code;
  }

  /** As if the node came to another machine. */
  emptyPlace(place: number): void {
    removeDirectory(this.places[place].dataDir);
    this.places[place].dataDir = temporaryDirectory();
  }

  cut(place: number): void {
    this.places[place].proxy.cut();
    this.places[place].isCut = true;
  }

  mend(place: number): void {
    this.places[place].proxy.mend();
    this.places[place].isCut = false;
  }

  async clusterAt(place: number): Promise<WireCluster> {
    const answer = await fetch(this.engineAt(place).apiUrl('/api/v1/engine'));
    return ((await answer.json()) as { cluster: WireCluster }).cluster;
  }

  /** Partitions of this node as it sees it. */
  async partitionsOf(place: number): Promise<number[]> {
    const { nodeId, partitions } = await this.clusterAt(place);
    return partitions.filter((one) => one.nodeId === nodeId).map(({ partition }) => partition);
  }

  /** Resolves when the nodes that are up and not cut off have all partitions between them, ready, and agree. */
  async settled(): Promise<void> {
    const look = async (): Promise<string> => {
      const seen = await Promise.all(this.placesInUse.map((place) => this.clusterAt(place)));
      const alive = new Set(seen.map(({ nodeId }) => nodeId));
      for (const [i, { nodeId, inTouch, nodes, partitions }] of seen.entries()) {
        if (!inTouch) return `node ${i} is out of touch`;
        if (nodes.length !== alive.size) return `node ${i} knows ${nodes.length} nodes`;
        const wrong = partitions.find((one) => !alive.has(one.nodeId ?? '') || (one.nodeId === nodeId && one.state !== 'ready') || one.nodeId !== seen[0].partitions[one.partition].nodeId);
        if (wrong !== undefined) return `node ${i} has ${JSON.stringify(wrong)}`;
        if (!partitions.some((one) => one.nodeId === nodeId)) return `node ${i} has nothing`;
      }
      return '';
    };
    await eventually(look, (trouble) => trouble === '', SETTLE_MS);
  }

  /** Loads the cluster while `happen` does; resolves when every sender has been served after it, and the load has stopped. */
  async underLoad(happen: () => Promise<void>): Promise<void> {
    this.load.start();
    try {
      await this.load.everySenderServed();
      await happen();
      await this.load.everySenderServed();
    } finally {
      await this.load.pause();
    }
  }

  /** Every window of every meter, asked of one node, against the oracle; what is in the log may not be folded yet, so some looks are given. */
  async check(place: number): Promise<Findings> {
    const deadline = Date.now() + FOLD_MS;
    for (;;) {
      const findings = await checkWindows(this.oracle, this.oracle.everything(), this.engineAt(place).apiUrl());
      if (findings.isClean || Date.now() > deadline) {
        findings.add(this.answers);
        return findings;
      }
      await sleep(POLL_MS);
    }
  }

  /** The first difference between the regional windows that one node shows and the sums of the meters' windows that another shows; null when there is none. */
  async regionalDifference(metersFrom: number, regionsFrom: number): Promise<string | null> {
    const range = { from: this.firstMinute * MINUTE_MS, to: Date.now() + AHEAD_MS };
    const { readings } = this.oracle;
    for (const granularity of ['1m', '15m'] as const) {
      const sums = new RegionalSums();
      const regions = new Set<string>();
      for (const meter of this.oracle.everything().keys()) {
        const windows: WireWindow[] = await meterWindows(this.engineAt(metersFrom), readings.meterId(meter), granularity, range);
        for (const window of windows) sums.add(window);
        regions.add(readings.region(meter));
      }
      const shown = await Promise.all([...regions].map((region) => regionWindows(this.engineAt(regionsFrom), region, granularity, range)));
      const difference = sums.difference(shown.flat());
      if (difference !== null) return `${granularity}: ${difference}`;
    }
    return null;
  }

  /** Meters and silent ones of all regions, as the live picture of a node has them. */
  async metersSeenAt(place: number): Promise<number> {
    const answer = await fetch(this.engineAt(place).apiUrl('/api/v1/regions'));
    const { data } = (await answer.json()) as { data: { meters: number }[] };
    return data.reduce((sum, { meters }) => sum + meters, 0);
  }

  async dispose(): Promise<void> {
    this.load.close();
    await Promise.all(this.places.map(async ({ engine }) => engine?.kill9()));
    for (const { proxy, dataDir } of this.places) {
      await proxy.close();
      removeDirectory(dataDir);
    }
    await this.kafka.dispose();
  }

  private ingestUrls(): URL[] {
    const urls = this.places.flatMap(({ engine }) => (engine !== null && engine.ports.ingest !== 0 ? [new URL(`${engine.ingestUrl()}/ingest`)] : []));
    return urls.length > 0 ? urls : [new URL('http://127.0.0.1:9/ingest')];
  }
}
