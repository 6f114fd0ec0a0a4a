// @ts-check
/**
 * Types of what the gateway says of the registry of meters (src/http/registry-fields.ts). Types only: nothing imports this file at run time.
 *
 * @typedef {'planned' | 'installed' | 'removed'} MeterStatus
 * @typedef {{ street: string | null, postalCode: string | null, city: string | null, country: string | null }} MeterAddress
 *
 * @typedef {object} RegisteredMeter
 * @property {string} meterId
 * @property {string | null} serial
 * @property {string | null} manufacturer
 * @property {string | null} model
 * @property {string} customerClass
 * @property {string} region
 * @property {MeterAddress} address
 * @property {{ latitude: number, longitude: number } | null} location
 * @property {number | null} phases
 * @property {number | null} ratedPowerKw
 * @property {number | null} cadenceSeconds
 * @property {string | null} installedOn
 * @property {string | null} removedOn
 * @property {string | null} note
 * @property {MeterStatus} status
 * @property {number} version
 * @property {string} updatedAt
 * @property {string} updatedBy
 *
 * @typedef {{ meterId: string, registry: Pick<RegisteredMeter, 'serial' | 'customerClass' | 'address' | 'installedOn'> | null }} OwnMeter
 */

export {};
