/** Twilio's error codes (twilio.com/docs/api/errors) of a message that was refused, by what is to be done about them. */

/** The number has answered STOP. */
export const TWILIO_UNSUBSCRIBED = 21610;

/** Settings or the account are wrong: no message goes until somebody has put that right. */
const OURS = new Set([
  20002, 20003, 20004, 20005, 20006, 20008, 20010, 20403, 20404,
  // The sender: no number of ours, of another account, or none at all.
  21212, 21603, 21606, 21607, 21659, 21660, 21701, 21703, 21704, 21705,
  // The account: suspended, without money, closed.
  30002, 30037, 90010,
]);

/** Too much at once: of requests, of one sender's queue, of a day. */
const LATER = new Set([20429, 21611, 30001, 30022, 30023, 63038, 20500, 20503]);

/** Of one refusal: `message`: this one never; `provider`: none at present. */
export function twilioBlame(status: number, code: number | null): 'message' | 'provider' {
  if (code !== null && (OURS.has(code) || LATER.has(code))) return 'provider';
  // Without a code that says otherwise: who we are, where we asked, or how much of it.
  return status === 401 || status === 403 || status === 404 || status === 405 || status === 408 || status === 429 ? 'provider' : 'message';
}
