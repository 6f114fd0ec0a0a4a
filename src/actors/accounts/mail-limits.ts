import { OperationalError } from '../../runtime/errors.ts';
import { networkOf } from './log-in-throttle.ts';

/** How many mails strangers can have sent: to one address, and from one of theirs. The same whether there is an account or not. */

const HOUR_MS = 3_600_000;
const TO_ADDRESS_MAX = 3;
const FROM_NETWORK_MAX = 20;
/** Kept of each; the oldest go. */
const COUNTS_MAX = 20_000;

export class MailLimits {
  private readonly to = new Map<string, { count: number; sinceMs: number }>();
  private readonly from = new Map<string, { count: number; sinceMs: number }>();

  /** Throws `too_many_mails`. */
  take(email: string, address: string, nowMs: number): void {
    if (!countOne(this.from, networkOf(address), FROM_NETWORK_MAX, nowMs) || !countOne(this.to, email, TO_ADDRESS_MAX, nowMs)) {
      throw new OperationalError('too_many_mails', 'too many mails were asked for within an hour');
    }
  }
}

function countOne(counts: Map<string, { count: number; sinceMs: number }>, key: string, max: number, nowMs: number): boolean {
  const before = counts.get(key);
  const count = before === undefined || nowMs - before.sinceMs >= HOUR_MS || nowMs < before.sinceMs ? { count: 0, sinceMs: nowMs } : before;
  if (count.count >= max) return false;
  count.count++;
  counts.delete(key);
  counts.set(key, count);
  if (counts.size > COUNTS_MAX) counts.delete(counts.keys().next().value!);
  return true;
}
