import { OperationalError } from '../runtime/errors.ts';
import type { Problem } from './problem-details.ts';

/** How the supervisors' refusals (the codes in their protocols) are answered. */

interface Refusal {
  status: 400 | 404 | 409 | 422;
  /** What to do about it; after the error's own words. */
  advice: string;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  unknown_alert: { status: 404, advice: 'GET /api/v1/alerts lists them.' },
  unknown_silence: { status: 404, advice: 'GET /api/v1/silences and /api/v1/maintenance-windows list them.' },
  unknown_contact: { status: 404, advice: 'GET /api/v1/contacts lists them.' },
  unknown_schedule: { status: 404, advice: 'GET /api/v1/schedules lists them.' },
  unknown_override: { status: 404, advice: 'GET /api/v1/schedules/{id} shows those of a schedule.' },
  // Not 503: a setting says so. Trying again does not help, and nothing is failing.
  alerts_off: { status: 404, advice: 'Start it with alerts, or ask another.' },
  // A precondition that failed, which RFC 9110 gives 412; with If-Match or without, 409 is what every conflict here gets.
  stale_version: { status: 409, advice: 'Read it again and decide anew.' },
  wrong_state: { status: 409, advice: '' },
  in_use: { status: 409, advice: '' },
  bad_span: { status: 422, advice: '' },
  too_many_silences: { status: 409, advice: 'End some first.' },
  too_many: { status: 409, advice: '' },
  no_address: { status: 409, advice: 'Give the contact one first.' },
  channel_off: { status: 409, advice: 'The engine has to be configured for it first.' },
  invalid_token: { status: 400, advice: '' },
  billing_off: { status: 404, advice: 'Start it with SEG_BILLING=on, or ask another.' },
  unknown_meter: { status: 404, advice: 'GET /api/v1/meters lists those that have sent a reading.' },
  unknown_tariff: { status: 404, advice: 'GET /api/v1/tariffs lists them.' },
  // Of a meter at a time, where nothing else is wrong with the question.
  no_tariff: { status: 404, advice: 'Give the meter an agreement with a tariff, or a tariff that applies to its region or class.' },
  unknown_agreement: { status: 404, advice: 'GET /api/v1/agreements lists them.' },
  unknown_invoice: { status: 404, advice: 'GET /api/v1/invoices lists them.' },
  unknown_dispute: { status: 404, advice: 'GET /api/v1/disputes lists them.' },
  unknown_run: { status: 404, advice: 'GET /api/v1/billing-runs lists them.' },
  unknown_comparison: { status: 404, advice: 'GET /api/v1/tariff-comparisons lists those that are kept.' },
  comparison_under_way: { status: 409, advice: '' },
  tariff_not_in_force: { status: 409, advice: '' },
  agreement_overlaps: { status: 409, advice: 'End that one first.' },
  override_overlaps: { status: 409, advice: 'End that one first, or begin after it.' },
  already_billed: { status: 409, advice: '' },
  month_not_over: { status: 409, advice: '' },
  run_under_way: { status: 409, advice: 'GET /api/v1/billing-runs shows how far it is.' },
  overpaid: { status: 409, advice: '' },
  period_too_long: { status: 422, advice: '' },
  mixed_tariffs: { status: 409, advice: 'Ask for each part by itself.' },
  unknown_line: { status: 422, advice: '' },
  bad_amount: { status: 422, advice: '' },
  bad_month: { status: 422, advice: '' },
  invalid_price: { status: 422, advice: '' },
  reference_used: { status: 409, advice: '' },
  too_many_overrides: { status: 409, advice: 'End some first.' },
};

/** The answer to a refusal of a supervisor; null for any other error. */
export function problemOfRefusal(error: unknown): Problem | null {
  if (!(error instanceof OperationalError) || !Object.hasOwn(REFUSALS, error.code)) return null;
  const { status, advice } = REFUSALS[error.code];
  return { status, code: error.code, detail: advice === '' ? sentence(error.message) : `${sentence(error.message)} ${advice}` };
}

/** Messages of errors begin small and end without a stop. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
