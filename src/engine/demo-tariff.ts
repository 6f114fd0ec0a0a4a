import type { z } from 'zod';
import type { tariffSchema } from '../actors/tariffs/tariff-document.ts';

export const DEMO_TARIFF_ID = 'home-three-bands';
/** Of the tariff, whose days and months bills go by. */
export const DEMO_ZONE = 'Europe/Vienna';

/**
 * What households of the demo pay: three bands, a standing charge, a credit for solar energy and VAT, with amounts as a supplier in central Europe has them.
 * `effectiveFrom`: as 2026-01-01.
 */
export function demoTariff(effectiveFrom: string): z.input<typeof tariffSchema> {
  return {
    format: 'seg-tariff/1',
    id: DEMO_TARIFF_ID,
    name: 'Home Three Bands',
    description: 'Cheap nights, dear evenings of working days, one price for the rest; a credit for solar energy; VAT.',
    currency: 'EUR',
    zone: DEMO_ZONE,
    effectiveFrom,
    appliesTo: { regions: ['region-*'], customerClasses: ['residential'] },
    schedules: [
      {
        name: 'use',
        periods: [
          { name: 'night', title: 'Night' },
          { name: 'day', title: 'Day' },
          { name: 'evening', title: 'Evening peak' },
        ],
        rules: [
          {
            days: ['weekday'],
            spans: [
              { from: '00:00', to: '06:00', period: 'night' },
              { from: '06:00', to: '17:00', period: 'day' },
              { from: '17:00', to: '21:00', period: 'evening' },
              { from: '21:00', to: '22:00', period: 'day' },
              { from: '22:00', to: '24:00', period: 'night' },
            ],
          },
          {
            days: ['weekend', 'holiday'],
            spans: [
              { from: '00:00', to: '06:00', period: 'night' },
              { from: '06:00', to: '22:00', period: 'day' },
              { from: '22:00', to: '24:00', period: 'night' },
            ],
          },
        ],
      },
      { name: 'feed', periods: [{ name: 'any', title: 'Any time' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'any' }] }] },
    ],
    charges: [
      {
        kind: 'energy',
        name: 'Electricity',
        schedule: 'use',
        rates: [
          { period: 'night', tiers: [{ price: '0.1690' }] },
          { period: 'day', tiers: [{ price: '0.2290' }] },
          { period: 'evening', tiers: [{ price: '0.3140' }] },
        ],
      },
      { kind: 'export', name: 'Solar credit', schedule: 'feed', rates: [{ period: 'any', tiers: [{ price: '0.0720' }] }] },
      { kind: 'fixed', name: 'Standing charge', price: '5.90', per: 'month' },
      { kind: 'tax', name: 'VAT', percent: '20', of: ['Electricity', 'Standing charge'] },
    ],
    dueDays: 14,
  };
}
