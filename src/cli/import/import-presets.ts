import type { ImportPlan } from './import-plan.ts';

/** Files that many people have. `variants`: the first whose columns are all in the header is used. */
export interface ImportPreset {
  about: string;
  variants: readonly { columns: readonly string[]; plan: Partial<ImportPlan> }[];
}

const MINUTE_MS = 60_000;

const UCI_HOUSEHOLD: Partial<ImportPlan> = {
  layout: 'long',
  meter: 'uci-sceaux',
  region: 'sceaux',
  zone: 'Europe/Paris',
  intervalMs: MINUTE_MS,
  powerUnit: 'kW',
  missing: ['?'],
};

export const IMPORT_PRESETS: Readonly<Record<'uci' | 'edrp' | 'swiss', ImportPreset>> = {
  uci: {
    about: 'UCI "Individual household electric power consumption", as published or with ISO times: one meter, a minute a row, kW, V, A',
    variants: [
      {
        columns: ['Date', 'Time', 'Global_active_power'],
        plan: {
          ...UCI_HOUSEHOLD,
          dateColumn: 'Date',
          timeColumn: 'Time',
          timeFormat: 'DD/MM/YYYY HH:mm:ss',
          powerColumn: 'Global_active_power',
          voltageColumn: 'Voltage',
          currentColumn: 'Global_intensity',
        },
      },
      {
        columns: ['ts_local', 'global_active_power_kw'],
        plan: { ...UCI_HOUSEHOLD, timeColumn: 'ts_local', powerColumn: 'global_active_power_kw', voltageColumn: 'voltage_v', currentColumn: 'global_intensity_a' },
      },
    ],
  },
  edrp: {
    about: 'EDRP households, half-hourly kWh, a column a meter; its stamps know no clock change and are taken as UTC',
    variants: [
      {
        columns: ['ts', 'X1'],
        plan: { layout: 'wide-meters', timeColumn: 'ts', unit: 'kWh', intervalMs: 30 * MINUTE_MS, zone: 'UTC', meterPrefix: 'edrp-', region: 'edrp-scotland' },
      },
    ],
  },
  swiss: {
    about: 'ResidentialEnergyConsumption, 15-minute kWh of Swiss households, a row a meter and week; w44 … w50 are taken as those of 2018',
    variants: [
      {
        columns: ['week', 'VID', 'V001'],
        plan: {
          layout: 'wide-intervals',
          meterColumn: 'VID',
          meterPrefix: 'swiss-',
          region: 'swiss',
          periodColumn: 'week',
          periodStarts: new Map([
            ['w44', '2018-10-29'],
            ['w45', '2018-11-05'],
            ['w46', '2018-11-12'],
            ['w47', '2018-11-19'],
            ['w48', '2018-11-26'],
            ['w49', '2018-12-03'],
            ['w50', '2018-12-10'],
          ]),
          firstInterval: 'V001',
          intervalMs: 15 * MINUTE_MS,
          unit: 'kWh',
          zone: 'Europe/Zurich',
        },
      },
    ],
  },
};

export type PresetName = keyof typeof IMPORT_PRESETS;
export const PRESET_NAMES = Object.keys(IMPORT_PRESETS) as PresetName[];

/** The preset's plan for a file with this header; null when the file is not of its kind. */
export function presetPlan(name: PresetName, columns: readonly string[]): Partial<ImportPlan> | null {
  const variant = IMPORT_PRESETS[name].variants.find((candidate) => candidate.columns.every((column) => columns.includes(column)));
  return variant?.plan ?? null;
}
