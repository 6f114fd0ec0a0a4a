import { TooManyAttempts } from '../actors/accounts/log-in-throttle.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Problem } from './problem-details.ts';

/** How the supervisors' refusals (the codes in their protocols) are answered. */

interface Refusal {
  status: 400 | 401 | 403 | 404 | 409 | 422 | 429;
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
  accounts_off: { status: 404, advice: 'Start it with SEG_AUTH=on.' },
  wrong_credentials: { status: 401, advice: '' },
  invalid_refresh_token: { status: 401, advice: 'Log in again.' },
  password_change_required: { status: 403, advice: 'POST /api/v1/auth/password with another one.' },
  password_login_off: { status: 403, advice: 'Send a token of the issuer that GET /api/v1/auth/settings names.' },
  sign_in_off: { status: 404, advice: 'GET /api/v1/auth/settings says how to log in.' },
  registration_off: { status: 403, advice: 'Ask an admin for an account.' },
  mail_off: { status: 403, advice: 'Ask an admin for another password.' },
  too_many_attempts: { status: 429, advice: 'Wait, and try again.' },
  too_many_mails: { status: 429, advice: 'Look at those that came, or wait.' },
  invalid_link: { status: 400, advice: 'Ask for another.' },
  bad_password: { status: 422, advice: 'Choose another.' },
  unknown_user: { status: 404, advice: 'GET /api/v1/users lists them.' },
  unknown_session: { status: 404, advice: 'GET /api/v1/auth/sessions lists yours.' },
  unknown_device_key: { status: 404, advice: 'GET /api/v1/device-keys lists them.' },
  email_taken: { status: 409, advice: '' },
  last_admin: { status: 409, advice: 'Make another admin first.' },
  external_user: { status: 409, advice: '' },
  bad_access: { status: 422, advice: '' },
  registry_off: { status: 404, advice: '' },
  unknown_registered_meter: { status: 404, advice: 'GET /api/v1/registry/meters lists those that there are.' },
  serial_taken: { status: 409, advice: '' },
};

/** Of mails, which are counted by the hour. */
const MAILS_RETRY_S = 3_600;
const CHALLENGE = 'Bearer realm="seg"';

/** The answer to a refusal of a supervisor; null for any other error. */
export function problemOfRefusal(error: unknown): Problem | null {
  if (!(error instanceof OperationalError) || !Object.hasOwn(REFUSALS, error.code)) return null;
  const { status, advice } = REFUSALS[error.code];
  const problem: Problem = { status, code: error.code, detail: advice === '' ? sentence(error.message) : `${sentence(error.message)} ${advice}` };
  if (status === 401) problem.challenge = CHALLENGE;
  if (status === 429) problem.retryAfterSeconds = error instanceof TooManyAttempts ? error.retryAfterMs / 1_000 : MAILS_RETRY_S;
  return problem;
}

/** Messages of errors begin small and end without a stop. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
