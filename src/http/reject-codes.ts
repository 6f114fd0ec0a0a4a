import type { RejectCode } from '../model/reading.ts';

/** Every RejectCode; the compiler refuses one that is missing or made up. */
export const REJECT_CODES = Object.keys({
  not_an_object: 1,
  invalid_json: 1,
  missing_field: 1,
  invalid_type: 1,
  invalid_meter_id: 1,
  invalid_region: 1,
  invalid_reading_id: 1,
  invalid_timestamp: 1,
  timestamp_too_old: 1,
  timestamp_in_future: 1,
  not_finite: 1,
  out_of_range: 1,
  invalid_status: 1,
  conflict: 1,
  too_late: 1,
  meter_limit: 1,
  region_limit: 1,
  reading_too_large: 1,
  invalid_message: 1,
  wrong_partition: 1,
  out_of_scope: 1,
} satisfies Record<RejectCode, 1>) as [RejectCode, ...RejectCode[]];
