import type http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IngestSummary } from '../../actors/ingest/protocol.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { createAgent, problemText, sendRequest, type HttpReply } from '../http-exchange.ts';
import { encodeBody } from '../wire-reading.ts';
import type { Availability } from './availability.ts';
import type { Findings, ProofOracle } from './oracle.ts';
import { SLOTS, type ReadingName } from './proof-readings.ts';
import { SeededChance } from './seeded-chance.ts';

/** The senders of `seg prove`: each has meters of its own and one request in flight, and tells the oracle what it sent and what was acknowledged. */

export interface ProofLoadOptions {
  /** Asked before each attempt: of several nodes each sender has one, and goes to the next when that does not take its readings. */
  ingestUrls: () => readonly URL[];
  /**
   * Whether an answer says what became of each reading. With a log in Kafka it says that they are in the log: repetitions and contradictions are found by whoever folds it.
   */
  answersTellOutcomes: boolean;
  seed: number;
  meters: number;
  /** Of the first minute of readings that lie in the past. */
  firstMinute: number;
}

export interface LoadTotals {
  /** Readings in requests that were acknowledged, repeats among them. */
  acknowledged: number;
  /** Requests sent again. */
  retries: number;
  /** Requests given up unanswered: their readings may be counted or not. */
  abandoned: number;
  conflicts: number;
}

/** Enough that requests of different senders share a commit. */
const SENDERS = 4;
/** One meter in four sends what happens now, so that clocks matter; the others send the past, a minute with every batch. */
const LIVE_EVERY = 4;
/** Between batches: some 20 a second from each sender, so that 200 rounds stay small enough to be checked to the last window. */
const BATCH_PAUSE_MS = 50;
const RETRY_PAUSE_MS = 30;
/** Longer than a batch may wait for a shard (10 s). */
const REQUEST_TIMEOUT_MS = 20_000;
/** A fault that lasts longer than this was not survived. */
const DELIVERY_MS_MAX = 120_000;
/** Parts of the load that are late, repeated, sent once whatever comes, and left before their answer. */
const LATE_SHARE = 0.15;
const REPEATED_SHARE = 0.1;
const FICKLE_SHARE = 0.1;
const IMPATIENT_SHARE = 0.03;
const IMPATIENT_MS_MAX = 10;
/** A late reading comes so many batches later: past its window's end and up to two quarters behind. */
const LATE_BATCHES = { min: 3, max: 30 };
const CONFLICTS_PER_BATCH = 2;
/** Readings a sender remembers to repeat or contradict. */
const RECENT_MAX = 300;

export class ProofLoad {
  readonly totals: LoadTotals = { acknowledged: 0, retries: 0, abandoned: 0, conflicts: 0 };
  readonly options: ProofLoadOptions;
  readonly oracle: ProofOracle;
  readonly findings: Findings;
  readonly availability: Availability;
  readonly agent: http.Agent;
  private readonly senders: Sender[];
  private running: Promise<unknown> | null = null;
  private stopping = false;

  constructor(options: ProofLoadOptions, modules: { oracle: ProofOracle; findings: Findings; availability: Availability }) {
    this.options = options;
    this.oracle = modules.oracle;
    this.findings = modules.findings;
    this.availability = modules.availability;
    this.agent = createAgent(options.ingestUrls()[0], SENDERS * 2);
    const meters = Array.from({ length: options.meters }, (_, meter) => meter);
    this.senders = Array.from({ length: SENDERS }, (_, k) => new Sender(this, k, meters.filter((meter) => Math.floor(meter / LIVE_EVERY) % SENDERS === k)));
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  start(): void {
    this.stopping = false;
    this.availability.resume();
    this.running = Promise.all(this.senders.map((sender) => sender.run()));
    // Awaited in pause(); until then it must not count as nobody's failure.
    this.running.catch(() => {});
  }

  /** Resolves when every sender has delivered what it had begun. Rejects with OperationalError `not_delivered`. */
  async pause(): Promise<void> {
    this.stopping = true;
    await this.running;
    this.availability.suspend();
  }

  /** Resolves when every sender has had a batch acknowledged from here on; rejects like `pause`. */
  async everySenderServed(): Promise<void> {
    const before = this.senders.map(({ delivered }) => delivered);
    const failed = this.running!.then(() => {});
    while (this.senders.some(({ delivered }, k) => delivered <= before[k])) await Promise.race([sleep(10), failed.then(() => sleep(10))]);
  }

  close(): void {
    this.agent.destroy();
  }
}

interface Element {
  name: ReadingName;
  conflict: boolean;
}

class Sender {
  /** Batches that were acknowledged. */
  delivered = 0;
  private readonly load: ProofLoad;
  /** Which of the nodes it sends to, counted past the last. */
  private node: number;
  private readonly chance: SeededChance;
  private readonly pastMeters: number[];
  private readonly liveMeters: number[];
  private minute: number;
  private batches = 0;
  /** Slots counted from 1970, all sent up to this one. */
  private liveSlot = slotOf(Date.now());
  private late: { dueBatch: number; name: ReadingName }[] = [];
  private recent: ReadingName[] = [];

  constructor(load: ProofLoad, number: number, meters: number[]) {
    this.load = load;
    this.node = number;
    this.chance = new SeededChance(load.options.seed, 100 + number);
    this.pastMeters = meters.filter((meter) => meter % LIVE_EVERY !== 0);
    this.liveMeters = meters.filter((meter) => meter % LIVE_EVERY === 0);
    this.minute = load.options.firstMinute;
  }

  async run(): Promise<void> {
    while (!this.load.isStopping) {
      await this.deliver(this.compose());
      await sleep(BATCH_PAUSE_MS);
    }
  }

  private compose(): Element[] {
    const names: ReadingName[] = [];
    const due = (name: ReadingName): void => {
      if (this.chance.next() < LATE_SHARE) this.late.push({ dueBatch: this.batches + this.chance.whole(LATE_BATCHES.min, LATE_BATCHES.max), name });
      else names.push(name);
    };
    for (const meter of this.pastMeters) for (let slot = 0; slot < SLOTS; slot++) due({ meter, minute: this.minute, slot });
    for (let at = slotOf(Date.now()); this.liveSlot < at; this.liveSlot++) {
      for (const meter of this.liveMeters) due({ meter, minute: Math.floor(this.liveSlot / SLOTS), slot: this.liveSlot % SLOTS });
    }
    this.minute++;
    this.batches++;
    for (const { dueBatch, name } of this.late) if (dueBatch <= this.batches) names.push(name);
    this.late = this.late.filter(({ dueBatch }) => dueBatch > this.batches);
    const repeats = this.recent.length === 0 ? 0 : Math.floor(names.length * REPEATED_SHARE);
    for (let i = 0; i < repeats; i++) names.push(this.chance.oneOf(this.recent));
    const elements = names.map((name) => ({ name, conflict: false }));
    const kept = this.recent.filter((name) => this.load.oracle.isKept(name));
    for (let i = 0; i < CONFLICTS_PER_BATCH && kept.length > 0; i++) elements.push({ name: this.chance.oneOf(kept), conflict: true });
    this.recent = this.chance.shuffle([...this.recent, ...names]).slice(0, RECENT_MAX);
    return this.chance.shuffle(elements);
  }

  private async deliver(elements: Element[]): Promise<void> {
    if (elements.length === 0) return;
    const { oracle, totals } = this.load;
    const { readings } = oracle;
    const body = encodeBody(elements.map(({ name, conflict }) => (conflict ? readings.conflicting(name) : readings.reading(name))), 'json');
    for (const { name, conflict } of elements) if (!conflict) oracle.sent(name);
    const isFickle = this.chance.next() < FICKLE_SHARE;
    const leavesAfterMs = this.chance.next() < IMPATIENT_SHARE ? this.chance.whole(0, IMPATIENT_MS_MAX) : null;
    const deadlineMs = Date.now() + DELIVERY_MS_MAX;
    for (;;) {
      const reply = await this.send(body, leavesAfterMs);
      if (reply?.status === 202) return this.acknowledged(elements, JSON.parse(reply.body.toString('utf8')) as IngestSummary);
      if (reply !== null && reply.status !== 429 && reply.status !== 503) {
        this.load.findings.note('wrong', 1, () => `a batch was answered ${problemText(reply)}`);
      }
      if (isFickle || leavesAfterMs !== null) {
        totals.abandoned++;
        return;
      }
      totals.retries++;
      this.node++;
      if (Date.now() > deadlineMs) {
        throw new OperationalError('not_delivered', `a batch was not acknowledged within ${DELIVERY_MS_MAX} ms (${reply === null ? 'no answer' : problemText(reply)})`);
      }
      await sleep(RETRY_PAUSE_MS);
    }
  }

  /** Null when no answer came. */
  private async send(body: Buffer, leavesAfterMs: number | null): Promise<HttpReply | null> {
    const { agent, options } = this.load;
    const urls = options.ingestUrls();
    const signal = leavesAfterMs === null ? undefined : AbortSignal.timeout(leavesAfterMs);
    try {
      return await sendRequest({ url: urls[this.node % urls.length], method: 'POST', headers: { 'content-type': 'application/json' }, body, agent, timeoutMs: REQUEST_TIMEOUT_MS, signal });
    } catch (error) {
      if (error instanceof OperationalError) return null;
      throw error;
    }
  }

  private acknowledged(elements: Element[], summary: IngestSummary): void {
    const { oracle, findings, totals, availability } = this.load;
    availability.acknowledged();
    this.delivered++;
    totals.acknowledged += elements.length;
    const { answersTellOutcomes } = this.load.options;
    const rejected = new Map(summary.errors.map(({ index, code }) => [index, code]));
    const mayBeNew = new Set(elements.filter(({ name, conflict }) => !conflict && !oracle.isKept(name)).map(({ name }) => `${name.meter} ${name.minute} ${name.slot}`)).size;
    if (answersTellOutcomes && summary.accepted > mayBeNew) findings.note('duplicated', summary.accepted - mayBeNew, () => `${summary.accepted} of a batch were accepted, ${mayBeNew} of it were not acknowledged before`);
    if (summary.accepted + summary.duplicates + summary.rejected !== elements.length) findings.note('wrong', 1, () => `a batch of ${elements.length} was answered ${JSON.stringify(summary)}`);
    for (const [index, { name, conflict }] of elements.entries()) {
      const code = rejected.get(index);
      if (conflict) {
        totals.conflicts++;
        if (answersTellOutcomes && code !== 'conflict') findings.note('wrong', 1, () => `a reading that contradicts ${JSON.stringify(oracle.readings.reading(name))} was ${code ?? 'taken'}`);
      } else if (code === undefined) oracle.acknowledged(name);
      else findings.note('wrong', 1, () => `${JSON.stringify(oracle.readings.reading(name))} was rejected as ${code}`);
    }
  }
}

function slotOf(nowMs: number): number {
  // A slot's reading may lie anywhere in it, so a slot is due when it is over.
  return Math.floor((nowMs / 60_000) * SLOTS);
}
