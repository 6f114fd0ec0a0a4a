/** What a reading may hold, what may be wrong with it, and what became of it. */

/** 2000-01-01T00:00:00Z; a meter clock before it is broken. */
export const TIMESTAMP_MS_MIN = 946_684_800_000;
/** A meter clock may run this far ahead of ours; later readings are rejected (DESIGN: Time). */
export const FUTURE_MS_MAX = 5 * 60_000;
/** Largest magnitude of powerKw: 1 GW. */
export const POWER_KW_MAX = 1e6;
/** Largest magnitude of energyKwh between two readings of one meter: 1 GWh. */
export const ENERGY_KWH_MAX = 1e6;
/** Above the highest transmission voltage in service (1.2 MV would be a data error for a meter). */
export const VOLTAGE_V_MAX = 1e6;
export const CURRENT_A_MAX = 1e6;
/** Aircraft and ship grids run at 400 Hz; nothing metered runs faster. */
export const FREQUENCY_HZ_MAX = 500;

/** Readings in one request at most. */
export const READINGS_PER_REQUEST_MAX = 50_000;
/** Bytes of one request body at most, before and after gzip. */
export const BODY_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Why one reading of a readable request was refused. The first thirteen are found by the ingest thread, then four by the shard. Then come those of Kafka as the log: a
 * reading that no message can hold, and what others write to the log and the engine cannot count. The last is of a device key that may not send it; it is in no dead letter.
 */
export type RejectCode =
  | 'not_an_object'
  | 'invalid_json'
  | 'missing_field'
  | 'invalid_type'
  | 'invalid_meter_id'
  | 'invalid_region'
  | 'invalid_reading_id'
  | 'invalid_timestamp'
  | 'timestamp_too_old'
  | 'timestamp_in_future'
  | 'not_finite'
  | 'out_of_range'
  | 'invalid_status'
  | 'conflict'
  | 'too_late'
  | 'meter_limit'
  | 'region_limit'
  | 'reading_too_large'
  | 'invalid_message'
  | 'wrong_partition'
  | 'out_of_scope';

/** What a shard decided about one reading; the byte that travels back to the ingest thread. */
export const OUTCOME = {
  accepted: 0,
  /** Same meter, timestamp and values as one already counted, or its readingId was seen in the last 5 min. */
  duplicate: 1,
  /** Same meter and timestamp as one already counted, other values. */
  conflict: 2,
  /** Older than the correction horizon. */
  tooLate: 3,
  /** The shard holds as many meters as it is configured to. */
  meterLimit: 4,
  /** The shard knows as many regions as it is configured to. */
  regionLimit: 5,
} as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** Reject code and message for each outcome that is a rejection; null for accepted and duplicate. */
export const OUTCOME_REJECT: readonly (null | { code: RejectCode; message: string })[] = [
  null,
  null,
  { code: 'conflict', message: 'another reading with the same meterId and timestamp but other values was accepted earlier' },
  { code: 'too_late', message: 'timestamp is older than the correction horizon of this meter' },
  { code: 'meter_limit', message: 'the engine holds as many meters as it is configured for' },
  { code: 'region_limit', message: 'the engine holds as many regions as it is configured for' },
];

/** Bits of a reading's flags byte. */
export const READING_FLAG = {
  /** status is ERROR: kept, but feeds neither windows nor baselines. */
  error: 1,
  /** Carries a readingId (its hash is in the readingId columns). */
  readingId: 2,
} as const;

/** Signed zero, as a meter without load may send it, is zero. */
export function normalizeZero(value: number): number {
  return value === 0 ? 0 : value;
}
