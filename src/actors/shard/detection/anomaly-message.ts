import type { AnomalyKind } from '../../../model/anomaly.ts';
import type { AnomalyBasis } from './episodes.ts';

/** Anomaly.message: one plain English sentence, without a full stop. `value` and `expected` are kW, or V for voltage_band. */
export function messageOf(kind: AnomalyKind, basis: AnomalyBasis, value: number, expected: number): string {
  switch (kind) {
    case 'spike':
    case 'drop':
      return `${amount(value)} kW where ${amount(expected)} kW is usual ${USUAL[basis] ?? USUAL.recent}`;
    case 'outage':
      return basis === 'silent'
        ? `no readings any more, where ${amount(expected)} kW was usual`
        : `no power (${amount(value)} kW where ${amount(expected)} kW is usual) while neighbours have it`;
    case 'flat_line':
      return `every reading is ${amount(value)} kW, although this meter's power varies`;
    case 'voltage_band':
      return `${amount(value)} V, ${amount((100 * Math.abs(value - expected)) / expected)} % ${value < expected ? 'below' : 'above'} the nominal ${amount(expected)} V`;
  }
}

const USUAL: Partial<Record<AnomalyBasis, string>> & { recent: string } = {
  hour_of_week: 'at this hour of the week',
  hour_of_day: 'at this hour',
  recent: 'for this meter',
};

/** At most one decimal from 1 on, three below: nobody acts on more. */
function amount(value: number): string {
  const rounded = Math.abs(value) >= 1 ? Math.round(value * 10) / 10 : Math.round(value * 1000) / 1000;
  return String(rounded === 0 ? 0 : rounded);
}
