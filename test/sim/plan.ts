import { Corrections } from './corrections.ts';
import { FaultMaker, type FaultStep } from './faults.ts';
import { Parting } from './parting.ts';
import { SIM_START_MS, type PlannedElement, type PlannedRequest } from './planned-readings.ts';
import { Random } from './random.ts';
import { Workload } from './workload.ts';

/** What a run does, as plain data made from a seed beforehand: steps can be left out of it and the rest stays what it was. */

export type Step =
  | { kind: 'send'; requests: PlannedRequest[] }
  | { kind: 'wait'; ms: number }
  | FaultStep;

export interface WorldOptions {
  shards: number;
  ingestThreads: number;
  partitionCount: number;
  regions: string[];
  latenessMs: number;
  correctionHorizonMs: number;
  /** Batches in flight from an ingest thread to a shard. */
  creditsMax: number;
  queuedReadingsMax: number;
  appendDeadlineMs: number;
  stepMs: number;
  intervalMs: number;
  pagesPerStepMax: number;
  blockSamplesMin: number;
  journalBytesMax: number;
  journalKeepBytesMax: number;
  segmentBytesMax: number;
  /** Dead letters that a shard keeps. */
  deadLettersMax: number;
  /** Longest time of an ordinary commit and of an ordinary delivery, ms. */
  commitMsMax: number;
  deliveryMsMax: number;
}

export interface Plan {
  seed: number;
  options: WorldOptions;
  steps: Step[];
}

/** A log that is trimmed often, while pages wait for long: what one trim too far takes is missed soon. */
const SHORT_LOG: Partial<WorldOptions> = { segmentBytesMax: 1_000, journalKeepBytesMax: 0, intervalMs: 5_000 };
const DAY_MS = 86_400_000;
const MANY = 1e9;

export function makePlan(seed: number, stepCount: number): Plan {
  const random = new Random(seed);
  const options = makeOptions(random);
  // Of the seed itself: what the generator gives to the rest stays as it was.
  options.blockSamplesMin = [1, 3, MANY][seed % 3];
  // Ids that return are judged by the clock: with a clock that jumps, nobody could say what is right.
  const usesReadingIds = random.chance(0.3);
  const hasShortLog = !usesReadingIds && seed % 4 === 2;
  if (usesReadingIds) Object.assign(options, { journalKeepBytesMax: MANY, deadLettersMax: [1, MANY][seed % 2] });
  if (hasShortLog) Object.assign(options, SHORT_LOG);
  const workload = new Workload(random.fork(), options.regions, usesReadingIds);
  const faults = new FaultMaker(random.fork(), { clockJumps: !usesReadingIds, diesAtTrims: hasShortLog, shards: options.shards, ingestThreads: options.ingestThreads });
  const steps: Step[] = [];
  // Of a generator of their own, and only where old windows go: the rest of a plan stays as it was.
  const own = new Random(seed + 0x9a27);
  const parting = options.correctionHorizonMs < DAY_MS && options.regions.length > 1 ? new Parting(own, options.regions, SIM_START_MS, () => workload.newSeq()) : null;
  const correcting = new Random(seed + 0xc0);
  const corrections = usesReadingIds ? new Corrections(correcting, options.regions[0], SIM_START_MS, () => workload.newSeq()) : null;
  while (steps.length < stepCount) {
    if (corrections !== null && correcting.chance(0.3)) steps.push(sent(corrections.next()));
    if (parting !== null && own.chance(0.3)) {
      const elements = parting.next(workload.nowMs);
      if (elements.length > 0) steps.push(sent(elements));
    }
    const chance = random.next();
    if (chance < 0.5) steps.push({ kind: 'send', requests: workload.requests() });
    else if (chance < 0.88) steps.push(wait(random, usesReadingIds, workload));
    else {
      const fault = faults.next();
      if (fault.kind === 'clock') workload.nowMs += fault.byMs;
      steps.push(fault);
    }
  }
  return { seed, options, steps };
}

function sent(elements: PlannedElement[]): Step {
  return { kind: 'send', requests: [{ format: 'json', elements, isTorn: false, isDoubled: false }] };
}

function wait(random: Random, isShort: boolean, workload: Workload): Step {
  const ms = random.chance(0.7) ? random.int(1, 40) : random.int(40, isShort ? 500 : 2_500);
  workload.nowMs += ms;
  return { kind: 'wait', ms };
}

function makeOptions(random: Random): WorldOptions {
  return {
    shards: random.pick([1, 1, 2, 3]),
    ingestThreads: random.pick([1, 1, 2]),
    partitionCount: random.pick([1, 4, 8]),
    regions: random.pick([['r0'], ['r0', 'r1'], ['r0', 'r1', 'r2']]),
    latenessMs: random.pick([0, 5_000, 30_000, 30_000, 60_000]),
    correctionHorizonMs: random.chance(0.25) ? 20 * 60_000 : 40 * DAY_MS,
    creditsMax: random.pick([1, 2, 8]),
    queuedReadingsMax: random.pick([60, 150, 100_000]),
    appendDeadlineMs: random.pick([300, 10_000]),
    stepMs: random.pick([20, 100, 1_500]),
    intervalMs: random.pick([50, 1_000, 5_000]),
    pagesPerStepMax: random.pick([1, 2, 128]),
    blockSamplesMin: 1,
    journalBytesMax: random.pick([2_000, MANY]),
    journalKeepBytesMax: random.pick([0, 0, MANY]),
    segmentBytesMax: random.pick([1_000, 10_000, MANY]),
    deadLettersMax: MANY,
    commitMsMax: random.pick([0, 3, 25]),
    deliveryMsMax: random.pick([0, 3, 15]),
  };
}

/** One line a step, for people. */
export function describeStep(step: Step): string {
  if (step.kind !== 'send') {
    const { kind, ...rest } = step;
    return `${kind} ${JSON.stringify(rest)}`;
  }
  const requests = step.requests.map(({ elements, format, isTorn, isDoubled }) => {
    const said = elements.slice(0, 4).map((element) => ('spoiled' in element ? 'spoiled' : `${element.meterId}@${new Date(element.timestamp).toISOString().slice(5, 23)}=${element.powerKw}#${element.seq}`));
    const more = elements.length > 4 ? ` +${elements.length - 4}` : '';
    return `${format}${isTorn ? ' torn' : ''}${isDoubled ? ' doubled' : ''}[${said.join(' ')}${more}]`;
  });
  return `send ${requests.join(' ')}`;
}
