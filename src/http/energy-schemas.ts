import { z } from 'zod';
import { ANOMALY_KINDS } from '../model/anomaly.ts';
import { priceSchema } from './billing-schemas.ts';
import { count, idText, loadPercentNumber, regionSchema, timeText } from './wire-schemas.ts';

/** Energy over the wire, as the API's document says it. kWh and kW have six places at most, and are exact: sums of whole millionths. */

const quarters = z
  .strictObject({ measured: count, estimated: count, missing: count })
  .describe('Quarter-hours by how they are known: `measured` by the meter\'s own count of energy, `estimated` from its power or within a gap that a later count covers, `missing` not at all, which count as nothing.')
  .meta({ id: 'QuarterHours' });
const peak = z.strictObject({ powerKw: z.number(), at: timeText }).describe('The quarter-hour with the highest mean power, the first of several.').nullable();
const energy = { importKwh: z.number().describe('Taken from the grid.'), exportKwh: z.number().describe('Given to it.'), peak, quarters };
const day = z.iso.date();

export const energyDaySchema = z
  .strictObject({ date: day, from: timeText, to: timeText, isOver: z.boolean().describe('False while it goes on or is yet to come: what is over of it counts.'), ...energy })
  .meta({ id: 'EnergyDay' });
export const energyMonthSchema = z.strictObject({ month: z.string().describe('As `2026-07`.'), from: timeText, to: timeText, isOver: z.boolean(), ...energy }).meta({ id: 'EnergyMonth' });
export const dailySchema = z.strictObject({ meterId: idText, zone: z.string(), data: z.array(energyDaySchema) }).meta({ id: 'DailyEnergy' });
export const monthlySchema = z.strictObject({ meterId: idText, zone: z.string(), data: z.array(energyMonthSchema) }).meta({ id: 'MonthlyEnergy' });

export const meterStatisticsSchema = z
  .strictObject({
    meterId: idText,
    from: timeText.describe('Begin of the first quarter-hour.'),
    to: timeText.describe('End of the last.'),
    readings: count.describe('Of windows that are closed.'),
    ...energy,
    minPowerKw: z.number().nullable().describe('Lowest single reading.'),
    avgPowerKw: z.number().nullable().describe('Net energy over the time that is known.'),
    maxPowerKw: z.number().nullable().describe('Highest single reading.'),
    loadFactor: z.number().nullable().describe('Mean imported power over that of the peak.'),
    completenessPercent: z.number().nullable().describe('Share of the quarter-hours that are known; null when none is over.'),
    corrections: z.strictObject({ windows: count.describe('Quarter-hours that were corrected after they were closed.'), changes: count.describe('How often, all together.') }),
    anomalies: z.partialRecord(z.enum(ANOMALY_KINDS), count).describe('Episodes that began in the time, by kind.'),
  })
  .meta({ id: 'MeterStatistics' });

const period = z.strictObject({ from: day, to: day.describe('The first day that is not in it.'), ...energy }).meta({ id: 'ComparedPeriod' });
export const meterComparisonSchema = z
  .strictObject({
    meterId: idText,
    zone: z.string(),
    period,
    before: period.describe('As many days right before.'),
    lastYear: period.describe('The same days a year before.'),
    changePercent: z.strictObject({ before: z.number().nullable(), lastYear: z.number().nullable() }).describe('Of imported energy. Null where there was none to compare with, or not all of both is theirs who asks.'),
    region: z
      .strictObject({ region: idText, meters: z.number().describe('That reported, in the mean.'), netKwh: z.number().describe('Of a mean meter, in the period.'), changePercent: z.number().nullable().describe('What the net energy of this meter is above it.') })
      .nullable()
      .describe('Null where so few meters report that a mean would tell of single ones, and where not all of the period is theirs who asks.'),
  })
  .meta({ id: 'MeterComparison' });

export const topConsumersSchema = z
  .strictObject({ region: idText, from: timeText, to: timeText, by: z.enum(['energy', 'peak']), meters: count.describe('Of the region now; all were looked at.'), data: z.array(z.strictObject({ rank: count, meterId: idText, ...energy })) })
  .meta({ id: 'TopConsumers' });

export const regionForecastSchema = z
  .strictObject({
    region: idText,
    zone: z.string().describe('By whose clock hours and weekdays are alike.'),
    asOf: timeText.describe('End of the last quarter-hour that counts, and begin of the first that is forecast.'),
    capacityKw: z.number().nullable(),
    basis: z.enum(['weeks', 'day']).nullable().describe('`weeks`: the same time of the same weekday in the last weeks, four at most. `day`: the same time of the day before, while there is less than a week of history. Null: there is no forecast.'),
    missing: z.enum(['no_history', 'silent']).nullable().describe('Why there is none: less than a day of history, or nothing in the last day.'),
    level: z.number().nullable().describe('The last three hours against what was usual: 1.1 is a tenth more. Half of it is left after six hours.'),
    data: z.array(
      z.strictObject({
        windowStart: timeText,
        powerKw: z.number().describe('The mean that is expected.'),
        lowKw: z.number().nullable().describe('With `highKw`, within which eight of ten forecasts on the same basis, of the last week at most, would have been right. Null while too few are known.'),
        highKw: z.number().nullable(),
        loadPercent: loadPercentNumber,
      }),
    ).describe('Quarter-hours. One for which there is nothing to go by is left out.'),
    backtest: z
      .strictObject({
        from: timeText,
        to: timeText,
        forecasts: count,
        quarters: count.describe('That were compared.'),
        mapePercent: z.number().nullable().describe('Mean absolute error of forecasts up to a day ahead, in percent of the load.'),
        persistenceMapePercent: z.number().nullable().describe('The same of saying that all stays as it is.'),
      })
      .nullable()
      .describe('What forecasts on the same basis would have been worth in the last week, or since there is history for them.'),
  })
  .describe(
    'The mean of the same local time of the same weekday in the last weeks, four at most, the newer the more, or of the day before (`basis`), at the level of the last three hours against theirs, which fades. Made from windows that are closed, anew when a quarter-hour is over.',
  )
  .meta({ id: 'RegionForecast' });

export const regionLoadSchema = z
  .strictObject({ at: timeText, ...regionSchema.shape, price: priceSchema.nullable().describe('Null in a region without a capacity, and in an engine without bills.') })
  .meta({ id: 'RegionLoad' });
