import type { Severity } from '../../src/model/anomaly.ts';
import { CHANNEL_NAMES, type ChannelName } from '../../src/model/contact.ts';
import { Random } from './random.ts';

/** What a run of the supervisors of alerts and notifications does, as plain data made from a seed beforehand. */

/** How a provider meets the next calls. `unknownWent`, `unknownLost`: no answer in time, and the message went or did not. `hang…`: no answer at all. `slow`: the answer takes a minute. */
export const PROVIDER_FAULTS = ['retry', 'busy', 'rejected', 'stopped', 'unknownWent', 'unknownLost', 'hangWent', 'hangLost', 'slow'] as const;
export type ProviderFault = (typeof PROVIDER_FAULTS)[number];

export type AlertStep =
  | { kind: 'wait'; ms: number }
  /** These meters' outages begin, one after the other within `spreadMs`. */
  | { kind: 'out'; meters: number[]; spreadMs: number }
  | { kind: 'back'; meters: number[] }
  /** An episode begins, or its severity changes. */
  | { kind: 'odd'; meter: number; episode: 'spike' | 'voltage_band'; severity: Severity }
  | { kind: 'calm'; meter: number }
  | { kind: 'load'; region: number; percent: number }
  | { kind: 'component'; component: number; isWell: boolean }
  /** Everything is read from the shards anew. */
  | { kind: 'feedAgain' }
  /** So many observations are taken in, and those who said them do not hear of it. */
  | { kind: 'loseAnswers'; answers: number }
  /** Of the alerts that are active then, in order of opening; `isExact`: with the version that is known. */
  | { kind: 'acknowledge'; alert: number; isExact: boolean }
  | { kind: 'resolve'; alert: number; isExact: boolean }
  | { kind: 'silence'; by: 'region' | 'rule' | 'meter'; which: number; startsInMs: number; lastsMs: number }
  | { kind: 'endSilence'; silence: number }
  | { kind: 'contact'; contact: number; change: number }
  | { kind: 'override'; contact: number; lastsMs: number }
  | { kind: 'unsubscribe'; contact: number }
  | { kind: 'rules'; variant: number }
  /** The thread, or with it the process that feeds it, dies after so many events more. */
  | { kind: 'kill'; afterEvents: number; downMs: number; isWhole: boolean }
  | { kind: 'stop'; downMs: number }
  | { kind: 'diskFull'; commits: number }
  | { kind: 'diskSlow'; commits: number; ms: number }
  | { kind: 'provider'; channel: ChannelName; fault: ProviderFault; calls: number; retryAfterMs: number | null }
  | { kind: 'lookupsFail'; lookups: number }
  /** The wall clock alone. */
  | { kind: 'clock'; byMs: number };

export interface AlertWorldOptions {
  commitMsMax: number;
  sendMsMax: number;
  /** Index of RULE_DOCUMENTS. */
  rules: number;
}

export interface AlertPlan {
  seed: number;
  options: AlertWorldOptions;
  steps: AlertStep[];
}

export const REGIONS = 2;
export const METERS_PER_REGION = 12;
const METERS = REGIONS * METERS_PER_REGION;
export const COMPONENTS = 2;
export const CONTACTS = 5;
export const CONTACT_CHANGES = 5;

const anomalies = (outageFor: string, odd: object = {}) => [
  { name: 'overload', condition: 'regional_load' },
  { name: 'dark', condition: 'region_dark', metersMin: 4, sharePercent: 25, clearBelowPercent: 10 },
  { name: 'outage', condition: 'anomaly', kinds: ['outage'], for: outageFor },
  { name: 'odd', condition: 'anomaly', kinds: ['spike', 'voltage_band'], severityMin: 'WARN', ...odd },
  { name: 'engine', condition: 'system' },
];

const shared = {
  inhibitions: [
    { name: 'dark-region', source: { rules: ['dark'] }, target: { types: ['METER_OUTAGE', 'ANOMALY'] } },
    { name: 'outage-explains', source: { types: ['METER_OUTAGE'] }, target: { types: ['ANOMALY'] }, equal: ['meter'] },
  ],
  flapping: { openings: 4, within: '15m', stableFor: '5m' },
  escalations: [
    {
      name: 'duty',
      levels: [
        { after: '0s', notify: ['schedule:s1'] },
        { after: '3m', notify: ['contact:c2', 'subscribers'] },
        { after: '5m', notify: ['contact:c1', 'contact:c3'] },
      ],
      rounds: 2,
    },
  ],
};

/** Rules that may be in force; they differ in what is watched, how long it has to last and who is told when. */
export const RULE_DOCUMENTS: readonly object[] = [
  {
    ...shared,
    rules: anomalies('30s'),
    routes: [
      { name: 'critical', match: { severities: ['CRITICAL'] }, escalation: 'duty', groupWait: '10s', groupInterval: '1m', repeatInterval: '20m' },
      { name: 'all', groupWait: '15s', groupInterval: '2m', repeatInterval: '1h' },
    ],
  },
  { ...shared, rules: anomalies('2m'), routes: [{ name: 'all', groupWait: '30s', groupInterval: '1m', repeatInterval: '30m', escalation: 'duty' }] },
  {
    ...shared,
    rules: anomalies('30s', { enabled: false }),
    routes: [{ name: 'meters', match: { meters: ['*'] }, groupBy: ['meter'], groupWait: '5s', groupInterval: '1m' }, { name: 'all', groupWait: '20s' }],
  },
];

export function makeAlertPlan(seed: number, stepCount: number): AlertPlan {
  const random = new Random(seed);
  const options: AlertWorldOptions = { commitMsMax: random.pick([0, 5, 50, 400]), sendMsMax: random.pick([0, 50, 2_000]), rules: random.pick([0, 0, 1, 2]) };
  const maker = new AlertStepMaker(random);
  return { seed, options, steps: Array.from({ length: stepCount }, () => maker.next()) };
}

class AlertStepMaker {
  private readonly random: Random;
  /** Whatever makes what is due a matter of opinion is not in every run. */
  private readonly jumps: boolean;
  private readonly silences: boolean;
  private readonly changesRules: boolean;
  private readonly flaps: boolean;

  constructor(random: Random) {
    this.random = random;
    this.jumps = random.chance(0.3);
    this.silences = random.chance(0.6);
    this.changesRules = random.chance(0.3);
    this.flaps = random.chance(0.3);
  }

  next(): AlertStep {
    const { random } = this;
    const chance = random.next();
    if (chance < 0.3) return this.condition();
    if (chance < 0.62) return { kind: 'wait', ms: random.pick([random.int(1, 3_000), random.int(1_000, 40_000), random.int(30_000, 150_000), random.int(60_000, 300_000)]) };
    if (chance < 0.76) return this.command();
    return this.fault();
  }

  private condition(): AlertStep {
    const { random } = this;
    // Few meters in a run that is to flap.
    const meter = (): number => (this.flaps ? random.int(0, 2) : random.int(0, METERS - 1));
    switch (random.int(0, 9)) {
      case 0:
      case 1:
        return { kind: 'out', meters: [meter()], spreadMs: 0 };
      case 2: {
        const region = random.int(0, REGIONS - 1);
        return { kind: 'out', meters: Array.from({ length: random.int(3, 12) }, () => region * METERS_PER_REGION + random.int(0, METERS_PER_REGION - 1)), spreadMs: random.pick([0, 2_000, 20_000]) };
      }
      case 3:
      case 4:
        return { kind: 'back', meters: random.chance(0.3) ? Array.from({ length: METERS }, (_, i) => i) : Array.from({ length: random.int(1, 8) }, meter) };
      case 5:
        return { kind: 'odd', meter: meter(), episode: random.pick(['spike', 'voltage_band'] as const), severity: random.pick(['INFO', 'WARN', 'WARN', 'CRITICAL'] as const) };
      case 6:
        return { kind: 'calm', meter: meter() };
      case 7:
      case 8:
        return { kind: 'load', region: random.int(0, REGIONS - 1), percent: random.pick([50, 50, 87, 95, 110]) };
      default:
        return { kind: 'component', component: random.int(0, COMPONENTS - 1), isWell: random.chance(0.4) };
    }
  }

  private command(): AlertStep {
    const { random } = this;
    const which = random.int(0, 30);
    switch (random.int(0, 9)) {
      case 0:
      case 1:
      case 2:
        return { kind: 'acknowledge', alert: which, isExact: random.chance(0.5) };
      case 3:
      case 4:
        return { kind: 'resolve', alert: which, isExact: random.chance(0.5) };
      case 5:
      case 6:
        if (!this.silences) return { kind: 'feedAgain' };
        return { kind: 'silence', by: random.pick(['region', 'rule', 'meter'] as const), which, startsInMs: random.pick([0, 0, 30_000]), lastsMs: random.pick([20_000, 120_000, 900_000]) };
      case 7:
        return random.chance(0.5) ? { kind: 'endSilence', silence: which } : { kind: 'override', contact: random.int(0, CONTACTS - 1), lastsMs: random.pick([60_000, 600_000]) };
      case 8:
        return random.chance(0.8) ? { kind: 'contact', contact: random.int(0, CONTACTS - 1), change: random.int(0, CONTACT_CHANGES - 1) } : { kind: 'unsubscribe', contact: random.int(0, CONTACTS - 1) };
      default:
        return this.changesRules ? { kind: 'rules', variant: random.int(0, RULE_DOCUMENTS.length - 1) } : { kind: 'feedAgain' };
    }
  }

  private fault(): AlertStep {
    const { random } = this;
    switch (random.int(0, 11)) {
      case 0:
      case 1:
      case 2:
        return { kind: 'kill', afterEvents: random.chance(0.5) ? random.int(0, 12) : random.int(0, 400), downMs: random.pick([0, 200, 5_000, 60_000]), isWhole: random.chance(0.5) };
      case 3:
        return { kind: 'stop', downMs: random.pick([0, 1_000, 30_000]) };
      case 4:
        return { kind: 'diskFull', commits: random.int(1, 4) };
      case 5:
        return { kind: 'diskSlow', commits: random.int(1, 5), ms: random.int(500, 8_000) };
      case 6:
        return { kind: 'loseAnswers', answers: random.int(1, 3) };
      case 7:
        return { kind: 'lookupsFail', lookups: random.int(1, 8) };
      case 8:
        return this.jumps ? { kind: 'clock', byMs: random.pick([-1_800_000, -60_000, -5_000, 5_000, 60_000, 1_800_000]) } : this.providerFault();
      default:
        return this.providerFault();
    }
  }

  private providerFault(): AlertStep {
    const { random } = this;
    return { kind: 'provider', channel: random.pick(CHANNEL_NAMES), fault: random.pick(PROVIDER_FAULTS), calls: random.int(1, 6), retryAfterMs: random.pick([null, 5_000, 90_000]) };
  }
}
