import { meterName, regionName } from '../cli/simulate/fleet.ts';

/** Who lives where in the demo. Streets, towns and people are made up. */

const REGIONS = 10;
const METERS = 100;
/** All of one region, so that its forecast and comparisons have a past to go by; two of them have solar panels. */
const BILLED_REGION = 5;
const TOWN = 'Exampletown';
const COUNTRY = 'AT';
/** Meters were exchanged over these years. */
const FIRST_INSTALLED_YEAR = 2019;
const INSTALLED_YEARS = 6;

export interface DemoHousehold {
  /** From 0; as the simulation counts meters. */
  meter: number;
  meterId: string;
  region: string;
}

export interface DemoAgreement {
  meterId: string;
  customer: { name: string; address: string[] };
}

const HOUSEHOLDS: readonly DemoHousehold[] = Array.from({ length: METERS }, (_, meter) => ({ meter, meterId: meterName(meter), region: regionName(meter % REGIONS) }));

/** Those that have a past of weeks, an agreement and bills. */
export const BILLED_HOUSEHOLDS: readonly DemoHousehold[] = HOUSEHOLDS.filter(({ meter }) => meter % REGIONS === BILLED_REGION);

/** Rows of the registry, as `POST /api/v1/registry/imports` takes them: one for each meter. `cadenceMs`: how often a meter sends. */
export function registryRows(cadenceMs: number): object[] {
  return HOUSEHOLDS.map(({ meter, meterId, region }) => {
    const hasThreePhases = meter % 4 !== 3;
    return {
      meterId,
      serial: `EX${FIRST_INSTALLED_YEAR + (meter % INSTALLED_YEARS)}-${String(meter + 1).padStart(6, '0')}`,
      manufacturer: 'Example Meters',
      model: hasThreePhases ? 'EM-3' : 'EM-1',
      customerClass: 'residential',
      region,
      address: { street: streetOf(meter), postalCode: postalCodeOf(meter), city: TOWN, country: COUNTRY },
      phases: hasThreePhases ? 3 : 1,
      ratedPowerKw: hasThreePhases ? 17 : 5.7,
      cadenceSeconds: cadenceMs / 1_000,
      installedOn: `${FIRST_INSTALLED_YEAR + (meter % INSTALLED_YEARS)}-${twoDigits((meter % 12) + 1)}-${twoDigits((meter % 28) + 1)}`,
    };
  });
}

/** Who is billed, without when and under which tariff. */
export function demoAgreements(): DemoAgreement[] {
  return BILLED_HOUSEHOLDS.map(({ meter, meterId }) => ({ meterId, customer: { name: `Household ${houseOf(meter)}`, address: [streetOf(meter), `${postalCodeOf(meter)} ${TOWN}`] } }));
}

/** From 1 in each region. */
function houseOf(meter: number): number {
  return Math.floor(meter / REGIONS) + 1;
}

function streetOf(meter: number): string {
  return `Example Street ${houseOf(meter)}`;
}

/** A region is a postal district. */
function postalCodeOf(meter: number): string {
  return `10${twoDigits((meter % REGIONS) + 1)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
