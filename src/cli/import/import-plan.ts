import { isId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';

export const IMPORT_LAYOUTS = ['long', 'wide-meters', 'wide-intervals'] as const;
export type ImportLayout = (typeof IMPORT_LAYOUTS)[number];

export const VALUE_UNITS = ['kWh', 'Wh', 'kW', 'W'] as const;
export type ValueUnit = (typeof VALUE_UNITS)[number];

/** How a file is to be read: what the flags and the preset come down to. Columns are named as in the header, or `#3` for the third. */
export interface ImportPlan {
  layout: ImportLayout;
  /** Separator; null: found out from the first line. */
  delimiter: string | null;
  /** False: the first line is data and columns are numbered. */
  header: boolean;
  /** Texts that stand for no value, besides the empty one. */
  missing: readonly string[];

  /** The one meter of a long file without a meter column. */
  meter: string | null;
  meterColumn: string | null;
  /** Put before every meter id of the file. */
  meterPrefix: string;
  region: string | null;
  regionColumn: string | null;
  /** By meter id, prefix included; meters that are not in it fall back to `region`. */
  regionMap: ReadonlyMap<string, string> | null;

  timeColumn: string | null;
  /** Joined with the time column by a space before `timeFormat` is applied; alone it is the day of a wide-intervals row. */
  dateColumn: string | null;
  timeFormat: string;
  zone: string;
  /** Whether the file stamps an interval by its start or its end. Readings carry the start. */
  timestamps: 'start' | 'end';
  intervalMs: number | null;

  /** Unit of a wide file's values. Of a long file's: see powerUnit and energyUnit. */
  unit: ValueUnit;
  powerColumn: string | null;
  powerUnit: 'kW' | 'W';
  energyColumn: string | null;
  energyUnit: 'kWh' | 'Wh';
  voltageColumn: string | null;
  currentColumn: string | null;
  frequencyColumn: string | null;
  powerFactorColumn: string | null;

  /** wide-intervals: the column of the first interval; all that follow are intervals. */
  firstInterval: string | null;
  /** wide-intervals: date (and time) of the first interval when neither date nor period column tells. */
  start: string | null;
  periodColumn: string | null;
  /** Period name → date of its first interval. */
  periodStarts: ReadonlyMap<string, string>;
}

export const EMPTY_PLAN: Readonly<ImportPlan> = {
  layout: 'long',
  delimiter: null,
  header: true,
  missing: ['?'],
  meter: null,
  meterColumn: null,
  meterPrefix: '',
  region: null,
  regionColumn: null,
  regionMap: null,
  timeColumn: null,
  dateColumn: null,
  timeFormat: 'iso',
  zone: 'UTC',
  timestamps: 'start',
  intervalMs: null,
  unit: 'kWh',
  powerColumn: null,
  powerUnit: 'kW',
  energyColumn: null,
  energyUnit: 'kWh',
  voltageColumn: null,
  currentColumn: null,
  frequencyColumn: null,
  powerFactorColumn: null,
  firstInterval: null,
  start: null,
  periodColumn: null,
  periodStarts: new Map(),
};

/** Throws OperationalError `usage` that names every fault of the plan at once. */
export function checkPlan(plan: ImportPlan): void {
  const faults: string[] = [...checkNames(plan), ...(plan.layout === 'long' ? checkLong(plan) : checkWide(plan))];
  if (plan.timestamps === 'end' && plan.intervalMs === null) faults.push('--timestamps end needs --interval, to tell where an interval starts');
  if (faults.length > 0) throw new OperationalError('usage', faults.join('; '));
}

function checkNames(plan: ImportPlan): string[] {
  const faults: string[] = [];
  if (plan.region === null && plan.regionColumn === null && plan.regionMap === null) faults.push('name the region with --region, --region-column or --region-map');
  if (plan.regionColumn !== null && plan.layout === 'wide-meters') faults.push('a wide-meters file has no region column; use --region or --region-map');
  if (plan.region !== null && !isId(plan.region)) faults.push(`"${plan.region}" is no region name: 1 to 64 of A-Z a-z 0-9 . _ : -`);
  return faults;
}

function checkLong(plan: ImportPlan): string[] {
  const faults: string[] = [];
  if ((plan.meter === null) === (plan.meterColumn === null)) faults.push('a long file needs --meter-column, or --meter when all rows are of one meter');
  if (plan.timeColumn === null) faults.push('a long file needs --time-column');
  if (plan.powerColumn === null && plan.energyColumn === null) faults.push('a long file needs --power-column or --energy-column');
  if (plan.powerColumn === null && plan.energyColumn !== null && plan.intervalMs === null) faults.push('--energy-column without --power-column needs --interval, to work out the power');
  return faults;
}

function checkWide(plan: ImportPlan): string[] {
  const faults: string[] = [];
  const isEnergy = plan.unit === 'kWh' || plan.unit === 'Wh';
  if (plan.layout === 'wide-meters') {
    if (plan.timeColumn === null) faults.push('a wide-meters file needs --time-column');
    if (isEnergy && plan.intervalMs === null) faults.push(`--unit ${plan.unit} needs --interval, to work out the power`);
    return faults;
  }
  if (plan.meterColumn === null) faults.push('a wide-intervals file needs --meter-column');
  if (plan.firstInterval === null) faults.push('a wide-intervals file needs --first-interval, the column of the first interval');
  if (plan.intervalMs === null) faults.push('a wide-intervals file needs --interval');
  const sources = [plan.start, plan.dateColumn, plan.periodColumn].filter((source) => source !== null).length;
  if (sources !== 1) faults.push('a wide-intervals file needs one of --start, --date-column or --period-column, to tell when its first interval starts');
  if (plan.periodColumn !== null && plan.periodStarts.size === 0) faults.push('--period-column needs --period-start NAME=DATE for each period');
  return faults;
}
