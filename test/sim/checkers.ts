import type { Anomaly } from '../../src/model/anomaly.ts';
import { PLAN_QUARTERS_MAX, QUARTER_MS, type EnergyQuarter } from '../../src/model/energy.ts';
import { GRANULARITIES, type Granularity, type MeterWindow } from '../../src/model/window.ts';
import type { ShardActor } from '../../src/actors/shard/actor.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import { partitionOf, shardOfPartition } from '../../src/model/ids.ts';
import { energyProblem } from '../oracle/energy-oracle.ts';
import { regionWindowsOf, type OracleRegionWindow } from '../oracle/region-oracle.ts';
import { windowsOf, type OracleWindow } from '../oracle/window-oracle.ts';
import type { ClientRequest } from './client.ts';
import { foldOfLog } from './reference-fold.ts';
import type { Watch, WatchedWorld } from './watched-world.ts';

/** What must be true of a run: at every step, and at its end. */

const FOREVER_MS = 1e13;
const MANY = 1e6;
/** One billionth: the oracle rounds an estimated energy once, the engine rounds the mean before it multiplies. A hair more for the difference of doubles. */
const ROUNDING = 1.01e-9;
/** Ticks and pictures that may wait beside batches: one of each kind, and those of the group that is being written and of the one being counted. */
const CONTROL_RECORDS_MAX = 8;

/** Bounds and things that only grow. */
export function checkStep(world: WatchedWorld): void {
  const { engine, options } = world;
  if (engine === null || !engine.alive) return;
  for (const [index, { actor, requesters }] of engine.ingests) {
    for (const [shard, { queuedReadings }] of actor.stats().shards.entries()) {
      if (queuedReadings > options.queuedReadingsMax) world.fail(`ingest-${index} lets ${queuedReadings} readings wait for shard ${shard}, its bound is ${options.queuedReadingsMax}`);
    }
    for (const requester of requesters.values()) {
      if (requester.credits < 0 || requester.credits > options.creditsMax) world.fail(`ingest-${index} has ${requester.credits} of ${options.creditsMax} credits`);
    }
  }
  for (const [shard, { actor }] of engine.shards) {
    const { unappliedRecords } = actor.figures();
    // A link of an ingest thread that has died may still have requests here, beside those of its successor.
    const bound = options.creditsMax * options.ingestThreads * 3 + CONTROL_RECORDS_MAX;
    if (unappliedRecords > bound) world.fail(`shard ${shard} holds ${unappliedRecords} records that wait, its bound is ${bound}`);
  }
}

/** A shard appends nothing while what it counted and did not write is past its bound. */
export class UnwrittenWatch implements Watch {
  private readonly appended = new WeakMap<ShardActor, number>();

  look(world: WatchedWorld): void {
    const { journalBytesMax } = world.options;
    for (const [shard, { actor }] of world.engine!.shards) {
      const { unwrittenShare, journalBytesAppended } = actor.figures();
      const came = journalBytesAppended - (this.appended.get(actor) ?? 0);
      this.appended.set(actor, journalBytesAppended);
      // Of what came since the last look only the last group could go past the bound.
      const before = unwrittenShare * journalBytesMax - came;
      if (came > 0 && before >= journalBytesMax) world.fail(`shard ${shard} took ${came} bytes of log with ${Math.round(before)} unwritten before, its bound is ${journalBytesMax}`);
    }
  }
}

/** A window that was shown as final changes only with a higher revision, whatever dies in between. */
export class RevisionWatch implements Watch {
  private readonly seen = new Map<string, { revision: number; said: string }>();
  private turn = 0;

  /** Looks at one meter's windows. */
  look(world: WatchedWorld): void {
    const meters = world.oracle.accepted.meters();
    if (meters.length === 0) return;
    const meterId = meters[this.turn++ % meters.length];
    const granularity = GRANULARITIES[this.turn % 3 === 0 ? 1 : 0];
    for (const { revision, final, ...rest } of windowsAt(world, meterId, granularity) ?? []) {
      if (!final) continue;
      const key = `${meterId} ${granularity} ${rest.windowStart}`;
      const said = JSON.stringify(rest);
      const before = this.seen.get(key);
      if (before !== undefined && (revision < before.revision || (revision === before.revision) !== (said === before.said))) {
        world.fail(`window ${key} went from revision ${before.revision} (${before.said}) to ${revision} (${said})`);
      }
      this.seen.set(key, { revision, said });
    }
  }
}

/** A meter's energy is at any time that of its windows that are final, be they on disk, on their way there or in memory. Windows that are gone are missed at the end. */
export class EnergyWatch implements Watch {
  private turn = 0;

  /** Looks at one meter now and then. */
  look(world: WatchedWorld): void {
    if (this.turn++ % 7 !== 0) return;
    const meters = world.oracle.accepted.meters();
    if (meters.length === 0) return;
    const meterId = meters[(this.turn / 7) % meters.length | 0];
    const windows = windowsAt(world, meterId, '15m')?.filter(({ final }) => final) ?? [];
    if (windows.length === 0) return;
    const byQuarter = new Map(windows.map((window) => [window.windowStart / QUARTER_MS, window]));
    const from = windows[0].windowStart / QUARTER_MS;
    for (const { quarter, microKwh, quality } of energyAt(world, meterId, from, Math.min(from + PLAN_QUARTERS_MAX, windows.at(-1)!.windowStart / QUARTER_MS + 1))) {
      const window = byQuarter.get(quarter);
      // One that was removed has no window, and its energy still.
      if (window !== undefined && (quality !== window.energySource || Math.abs(microKwh - window.energyKwhSum * 1e6) > 0.6)) world.fail(`quarter-hour ${quarter} of ${meterId} has ${microKwh} microKwh (${quality}), its window ${window.energyKwhSum} kWh (${window.energySource})`);
    }
  }
}

/** Faults have stopped, everything is answered and all windows are due. */
export async function checkEnd(world: WatchedWorld): Promise<void> {
  checkLinks(world);
  for (const request of world.clients.requests) checkAnswer(world, request);
  checkWindows(world);
  checkEnergy(world);
  checkRegions(world);
  checkMeters(world);
  checkDeadLetters(world);
  checkAnomalies(world);
}

/** Credits are back, queues are empty, nothing is left over in the shards. */
function checkLinks(world: WatchedWorld): void {
  const engine = world.engine!;
  for (const [index, { actor, requesters }] of engine.ingests) {
    const stats = actor.stats();
    if (stats.requestsPending !== 0) world.fail(`ingest-${index} still has ${stats.requestsPending} requests to answer`);
    if (stats.batches.inFlight !== 0) world.fail(`ingest-${index} still has ${stats.batches.inFlight} batches in flight`);
    stats.shards.forEach(({ queuedReadings, queuedBytes, up }, shard) => {
      if (queuedReadings !== 0 || queuedBytes !== 0) world.fail(`ingest-${index} still has ${queuedReadings} readings (${queuedBytes} bytes) waiting for shard ${shard}`);
      if (!up) world.fail(`ingest-${index} takes shard ${shard} for down`);
    });
    for (const [shard, requester] of requesters) {
      const { credits, bytesInFlight } = requester.snapshot();
      if (credits !== world.options.creditsMax || bytesInFlight !== 0) world.fail(`ingest-${index} has ${credits} of ${world.options.creditsMax} credits at shard ${shard}, ${bytesInFlight} bytes in flight`);
    }
  }
  for (const [shard, { actor }] of engine.shards) {
    const { unappliedRecords, journalRecords } = actor.figures();
    if (unappliedRecords > 2) world.fail(`shard ${shard} has ${unappliedRecords} records left to count`);
    const { journalKeepBytesMax, segmentBytesMax } = world.options;
    // A segment goes whole.
    if (journalKeepBytesMax === 0 && journalRecords > JOURNAL_RECORDS_MAX + segmentBytesMax / RECORD_BYTES_MIN) world.fail(`shard ${shard} keeps ${journalRecords} log records though all is written`);
  }
}

/** At rest there are the ticks and pictures of the last checkpoint steps, some seconds with four to five records each; batches are gone. */
const JOURNAL_RECORDS_MAX = 120;
/** A tick of one slice. */
const RECORD_BYTES_MIN = 70;

/** What a client was told is so. */
function checkAnswer(world: WatchedWorld, { id, plan, final }: ClientRequest): void {
  if (final === null) return world.fail(`request ${id} was never answered`);
  if ('status' in final) {
    if (final.status !== 400 || !plan.isTorn) world.fail(`request ${id} was refused for good with ${final.status} ${final.code}`);
    return;
  }
  if (plan.isTorn && plan.format !== 'ndjson') return world.fail(`request ${id} was cut off and taken`);
  if (plan.isTorn) return;
  const { accepted, duplicates, rejected, errors } = final;
  if (accepted + duplicates + rejected !== plan.elements.length || errors.length !== rejected) world.fail(`request ${id} had ${plan.elements.length} readings and was told of ${accepted}+${duplicates}+${rejected}`);
  const codes = new Map(errors.map(({ index, code }) => [index, code]));
  plan.elements.forEach((element, index) => {
    const code = codes.get(index);
    if ('spoiled' in element) {
      if (code === undefined) world.fail(`request ${id}: element ${index} is spoiled and was taken`);
      return;
    }
    const name = `request ${id}: ${element.meterId}@${element.timestamp} (#${element.seq})`;
    const counted = world.oracle.keys.get(`${element.meterId}@${element.timestamp}`);
    if (code === undefined) {
      // It repeated another's id and never counted; another may have come for its time since.
      if (world.oracle.repeatedIds.has(element.seq)) return;
      if (counted === undefined) world.fail(`${name} was acknowledged and is lost`);
      else if (counted.powerKw !== element.powerKw) world.fail(`${name} was acknowledged, but ${counted.powerKw} kW counted in its place`);
    } else if (code === 'conflict') {
      if (counted === undefined) world.fail(`${name} was called a conflict with a reading that does not count`);
    } else if (code === 'too_late') {
      if (counted !== undefined && element.timestamp >= world.oracle.accepted.newestOf(element.meterId) - Math.min(...world.retention.keepMs)) world.fail(`${name} was called too late, but its key counts`);
      if (element.timestamp >= world.oracle.accepted.newestOf(element.meterId) - world.options.correctionHorizonMs) world.fail(`${name} was called too late and was not`);
    } else if (code !== 'timestamp_in_future') world.fail(`${name} was rejected with ${code}`);
  });
}

function checkWindows(world: WatchedWorld): void {
  const readings = world.oracle.accepted.all();
  for (const granularity of GRANULARITIES) {
    const expected = windowsOf(readings, granularity);
    const actual = world.oracle.accepted.meters().flatMap((meterId) => windowsAt(world, meterId, granularity) ?? []);
    const there = new Set(actual.map(({ meterId, windowStart }) => `${meterId} ${windowStart}`));
    const stays = (window: OracleWindow): boolean => there.has(`${window.meterId} ${window.windowStart}`) || !mayBeGone(world, window);
    world.counts.removed = (world.counts.removed ?? 0) + expected.filter((window) => !stays(window)).length;
    const problem = windowsDifference(actual, expected.filter(stays));
    if (problem !== null) world.fail(problem);
    const open = actual.find(({ final }) => !final);
    if (open !== undefined) world.fail(`a window was never closed: ${JSON.stringify(open)}`);
  }
}

/** Of all windows that ever were. */
function checkEnergy(world: WatchedWorld): void {
  const windows = windowsOf(world.oracle.accepted.all(), '15m');
  for (const meterId of world.oracle.accepted.meters()) {
    const problem = energyProblem(windows.filter((window) => window.meterId === meterId), (from, to) => energyAt(world, meterId, from, to));
    if (problem !== null) world.fail(`energy of ${meterId}: ${problem}`);
  }
}

/** Old enough to be removed, and where there is a system beside the engine, with it as it should be. */
function mayBeGone(world: WatchedWorld, window: OracleWindow): boolean {
  const keepMs = world.retention.keepMs[GRANULARITIES.indexOf(window.granularity)];
  if (window.windowEnd > world.oracle.accepted.newestOf(window.meterId) - keepMs) return false;
  const given = world.effects?.windowLike(window);
  return world.effects === null || (given !== undefined && isSameWindow(given, window));
}

function windowsDifference(actual: readonly MeterWindow[], expected: readonly OracleWindow[]): string | null {
  for (let i = 0; i < Math.max(actual.length, expected.length); i++) {
    const [got, want] = [actual[i], expected[i]];
    if (got === undefined || want === undefined || !isSameWindow(got, want)) return `window ${i} is ${JSON.stringify(got)}, the oracle has ${JSON.stringify(want)}`;
  }
  return null;
}

function isSameWindow(got: MeterWindow, want: OracleWindow): boolean {
  return (
    got.meterId === want.meterId &&
    got.windowStart === want.windowStart &&
    got.windowEnd === want.windowEnd &&
    got.granularity === want.granularity &&
    got.region === want.region &&
    got.count === want.count &&
    got.avgPowerKw === want.avgPowerKw &&
    got.minPowerKw === want.minPowerKw &&
    got.maxPowerKw === want.maxPowerKw &&
    got.energySource === want.energySource &&
    Math.abs(got.energyKwhSum - want.energyKwhSum) <= (want.energySource === 'estimated' ? ROUNDING : 0) &&
    got.voltageAvg === want.voltageAvg &&
    got.voltageMin === want.voltageMin &&
    got.voltageMax === want.voltageMax
  );
}

/** Regional sums over all shards, as stored, and as the region actor shows them. */
function checkRegions(world: WatchedWorld): void {
  const readings = world.oracle.accepted.all();
  const engine = world.engine!;
  for (const granularity of GRANULARITIES) {
    const expected = regionWindowsOf(windowsOf(readings, granularity));
    const actual = new Map<string, RegionPart>();
    for (const region of world.options.regions) {
      for (const { actor } of engine.shards.values()) {
        for (const part of actor.ask<'regionParts'>({ kind: 'regionParts', region, granularity, from: 0, to: FOREVER_MS, limit: MANY, withOpen: false })) addPart(actual, part);
      }
    }
    for (const key of new Set([...expected.keys(), ...actual.keys()])) {
      const problem = partDifference(key, actual.get(key), expected.get(key));
      if (problem !== null) world.fail(`${granularity} ${problem}`);
    }
    if (granularity === '1m') checkRecent(world, expected);
  }
}

function checkRecent(world: WatchedWorld, expected: ReadonlyMap<string, OracleRegionWindow>): void {
  for (const region of world.options.regions) {
    for (const got of world.engine!.region.state.recentWindows(region, FOREVER_MS, world.options.latenessMs)) {
      const want = expected.get(`${region}/${got.windowStart}`);
      const isRight = want !== undefined && got.metersReporting === want.meters && Math.abs(got.sumPowerKw - Number(want.powerUnits) / 1e9) <= ROUNDING && got.minPowerKw === want.minPowerKw && got.maxPowerKw === want.maxPowerKw;
      if (!isRight) world.fail(`the region actor shows ${JSON.stringify(got)}, the oracle has ${describePart(want)}`);
    }
  }
}

function addPart(parts: Map<string, RegionPart>, part: RegionPart): void {
  // A region that every meter has left since keeps an empty part.
  if (part.meters === 0) return;
  const key = `${part.region}/${part.windowStart}`;
  const sum = parts.get(key);
  if (sum === undefined) {
    parts.set(key, { ...part });
    return;
  }
  for (const field of ['meters', 'powerHigh', 'powerLow', 'energyHigh', 'energyLow'] as const) sum[field] += part[field];
  sum.minPowerKw = Math.min(sum.minPowerKw, part.minPowerKw);
  sum.maxPowerKw = Math.max(sum.maxPowerKw, part.maxPowerKw);
}

function partDifference(key: string, got: RegionPart | undefined, want: OracleRegionWindow | undefined): string | null {
  if (got !== undefined && want !== undefined) {
    const units = (high: number, low: number) => BigInt(high) * 2n ** 24n + BigInt(low);
    const energyError = units(got.energyHigh, got.energyLow) - want.energyUnits;
    const isSame =
      got.meters === want.meters &&
      units(got.powerHigh, got.powerLow) === want.powerUnits &&
      got.minPowerKw === want.minPowerKw &&
      got.maxPowerKw === want.maxPowerKw &&
      energyError <= BigInt(want.meters) &&
      -energyError <= BigInt(want.meters);
    if (isSame) return null;
  }
  return `regional window ${key} is ${JSON.stringify(got)}, the oracle has ${describePart(want)}`;
}

function describePart(part: OracleRegionWindow | undefined): string {
  return part === undefined ? 'none' : JSON.stringify({ ...part, powerUnits: String(part.powerUnits), energyUnits: String(part.energyUnits) });
}

/** Each meter's counts and last values, and the live picture that follows from them. */
function checkMeters(world: WatchedWorld): void {
  const { accepted } = world.oracle;
  const loads = new Map<string, { meters: number; reporting: number; silent: number; units: number }>();
  for (const meterId of accepted.meters()) {
    const meter = askOwner<'meter'>(world, meterId, { kind: 'meter', meterId });
    const region = accepted.region.get(meterId)!;
    const said = meter && [meter.readings, meter.newestTimestamp, meter.region, meter.lastPowerKw];
    const right = [accepted.countOf(meterId), accepted.newestOf(meterId), region, accepted.powerKw.get(meterId) ?? 0];
    if (String(said) !== String(right)) world.fail(`meter ${meterId} is at ${String(said)} where ${String(right)} is right`);
    if (!meter) continue;
    const load = loads.get(region) ?? { meters: 0, reporting: 0, silent: 0, units: 0 };
    loads.set(region, load);
    load.meters++;
    if (meter.health === 'reporting') {
      load.reporting++;
      load.units += Math.round(meter.lastPowerKw * 1e9);
    } else if (meter.health === 'silent') load.silent++;
  }
  for (const now of world.engine!.region.state.regionsNow()) {
    const load = loads.get(now.region) ?? { meters: 0, reporting: 0, silent: 0, units: 0 };
    const isSame = now.meters === load.meters && now.metersReporting === load.reporting && now.metersSilent === load.silent && Math.round(now.loadKw * 1e9) === load.units;
    if (!isSame) world.fail(`region ${now.region} shows ${JSON.stringify(now)}, its meters make ${JSON.stringify(load)}`);
  }
}

/** A rejected reading is kept with its reason, at least once for each answer that told so; or, where few are kept, no more than those. */
function checkDeadLetters(world: WatchedWorld): void {
  const ids = new Set<string>();
  const seqs = new Set<number>();
  let letters = 0;
  for (const { actor } of world.engine!.shards.values()) {
    for (const letter of actor.ask<'deadLetters'>({ kind: 'deadLetters', query: { code: null, meterId: null, from: 0, to: FOREVER_MS, limit: MANY, cursor: null } }).data) {
      ids.add(`${world.engine!.shards.size} ${letter.id}`);
      letters++;
      const seq = /"seq":(\d+)/.exec(letter.raw);
      if (seq !== null) seqs.add(Number(seq[1]));
    }
  }
  for (const { plan, final, id } of world.clients.requests) {
    if (final === null || 'status' in final || plan.isTorn || world.options.deadLettersMax < MANY) continue;
    for (const { index, code } of final.errors) {
      const element = plan.elements[index];
      // Raw text of MessagePack is not JSON.
      if ('spoiled' in element || (plan.format === 'msgpack' && code === 'timestamp_in_future')) continue;
      if (!seqs.has(element.seq)) world.fail(`request ${id}: #${element.seq} was rejected with ${code} and is not in the dead letters`);
    }
  }
  if (letters > world.options.deadLettersMax * world.engine!.shards.size) world.fail(`${letters} dead letters are kept, ${world.options.deadLettersMax} of a shard may be`);
  if (letters < ids.size) world.fail('dead letters share ids');
}

/** Episodes have one id each, one open per meter and kind; and are what the log folds to when nothing ever goes wrong. */
function checkAnomalies(world: WatchedWorld): void {
  const engine = world.engine!;
  const found: Anomaly[] = [];
  for (const { actor } of engine.shards.values()) {
    found.push(...actor.ask<'anomalies'>({ kind: 'anomalies', query: { meterId: null, region: null, kind: null, severity: null, open: false, from: 0, to: FOREVER_MS, limit: MANY, cursor: null } }).data);
  }
  const ids = new Set<string>();
  const open = new Set<string>();
  for (const { id, meterId, kind, startedAt, endedAt } of found) {
    if (ids.has(id)) world.fail(`anomaly ${id} is stored twice`);
    ids.add(id);
    if (id !== `${meterId}/${kind}/${startedAt}`) world.fail(`anomaly ${id} has an id that does not follow from what it is`);
    if (endedAt === null && open.has(`${meterId}/${kind}`)) world.fail(`meter ${meterId} has two open episodes of ${kind}`);
    if (endedAt === null) open.add(`${meterId}/${kind}`);
  }
  for (const meterId of world.oracle.accepted.meters()) {
    const meter = askOwner<'meter'>(world, meterId, { kind: 'meter', meterId });
    const stored = [...open].filter((key) => key.startsWith(`${meterId}/`)).map((key) => key.slice(meterId.length + 1)).sort();
    if (meter && String([...meter.openAnomalies].sort()) !== String(stored)) world.fail(`meter ${meterId} has open episodes ${meter.openAnomalies.join()} and stored are ${stored.join()}`);
  }
  world.counts.anomalies = found.length;
  if (!world.hasResized) compareWithFold(world, found);
}

/** Recovery is replay: the state after any deaths equals that of a shard that applied the same log and never died. */
function compareWithFold(world: WatchedWorld, found: readonly Anomaly[]): void {
  const anomalies: Anomaly[] = [];
  for (const shard of world.engine!.shards.keys()) {
    const fold = foldOfLog(world.state, world.oracle.log.filter((entry) => entry.shard === shard));
    anomalies.push(...fold.anomalies);
    for (const meterId of world.oracle.accepted.meters()) {
      if (ownerOf(world, meterId) !== shard) continue;
      const asked = { kind: 'meter', meterId } as const;
      const [got, want] = [askOwner<'meter'>(world, meterId, asked), fold.queries.answer<'meter'>(asked)].map((answer) => JSON.stringify(answer));
      if (got !== want) world.fail(`meter ${meterId} is ${got}, its log folds to ${want}`);
      for (const granularity of GRANULARITIES) {
        const windows = windowsAt(world, meterId, granularity) ?? [];
        const there = new Set(windows.map(({ windowStart }) => windowStart));
        const folded = (fold.queries.answer<'meterWindows'>(windowQuery(meterId, granularity))?.data ?? []).filter((window) => there.has(window.windowStart) || !mayBeGone(world, window));
        const at = folded.findIndex((window, i) => JSON.stringify(window) !== JSON.stringify(windows[i]));
        if (at >= 0) world.fail(`window ${JSON.stringify(windows[at])} of ${meterId}, its log folds to ${JSON.stringify(folded[at])}`);
      }
    }
  }
  const text = (list: readonly Anomaly[]) => list.map((anomaly) => JSON.stringify(anomaly)).sort();
  const [got, want] = [text(found), text(anomalies)];
  const missing = want.find((line) => !got.includes(line));
  const extra = got.find((line) => !want.includes(line));
  if (missing !== undefined || extra !== undefined) world.fail(`anomalies are not what the log folds to: ${extra ?? 'none'} where ${missing ?? 'none'} is right`);
}

// Questions ----------------------------------------------------------------------------------------------------------------

function windowQuery(meterId: string, granularity: Granularity): Extract<ShardQuery, { kind: 'meterWindows' }> {
  return { kind: 'meterWindows', meterId, query: { granularity, from: 0, to: FOREVER_MS, limit: MANY, cursor: null } };
}

function windowsAt(world: WatchedWorld, meterId: string, granularity: Granularity): MeterWindow[] | undefined {
  return askOwner<'meterWindows'>(world, meterId, windowQuery(meterId, granularity))?.data;
}

function energyAt(world: WatchedWorld, meterId: string, from: number, to: number): EnergyQuarter[] {
  return askOwner<'energyQuarters'>(world, meterId, { kind: 'energyQuarters', meterId, from, to }) ?? [];
}

function ownerOf(world: WatchedWorld, meterId: string): number {
  return shardOfPartition(partitionOf(meterId, world.options.partitionCount), world.engine!.options.shards);
}

/** The owner's answer; undefined while its thread is away. */
function askOwner<K extends ShardQuery['kind']>(world: WatchedWorld, meterId: string, query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K] | undefined {
  const unit = world.engine!.shards.get(ownerOf(world, meterId));
  return unit?.thread.alive ? unit.actor.ask<K>(query) : undefined;
}
