import type { HttpRequest } from 'uWebSockets.js';
import { z } from 'zod';
import type { ChannelName } from '../model/contact.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { AlertsPort } from './alerts-port.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import type { JsonIntake } from './json-intake.ts';
import { isProblem, parseQuery } from './query-parameters.ts';

/**
 * /unsubscribe?token=…: the link at the end of a message. GET only asks, since scanners of mail follow every link; POST does it, from the page's button or at one click by the mail program (RFC 8058), which sends a
 * form and whatever Origin it has. So the two rules of other writes do not hold here: the token alone, which nobody can guess, says that it is right.
 */

/** Of an HMAC over a contact and a channel. */
const TOKEN_CHARS_MAX = 1_024;
const tokenQuery = z.object({ token: z.string().min(1).max(TOKEN_CHARS_MAX) });
const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data'];

const PAGE_HEADERS: HeaderFields = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"],
  // The token goes to no other site; a stricter policy would take the page's own Origin from it.
  ['referrer-policy', 'same-origin'],
  ['x-robots-tag', 'noindex'],
];

export function addUnsubscribeRoute(front: HttpFront, intake: JsonIntake, alerts: AlertsPort): void {
  const post = (exchange: Exchange, head: HttpRequest): void => {
    const token = tokenOf(head);
    const mediaType = head.getHeader('content-type').split(';')[0].trim().toLowerCase();
    if (token === null) return page(exchange, 400, BROKEN_LINK);
    if (!FORM_TYPES.includes(mediaType)) return page(exchange, 415, NOT_A_FORM);
    if (!intake.enter(exchange)) return;
    intake.collectText(exchange, head, (text) => {
      // Of a form of either type; nothing else that posts by itself says it.
      if (!text.includes('List-Unsubscribe') || !text.includes('One-Click')) return page(exchange, 400, NOT_A_FORM);
      void unsubscribe(exchange, alerts, token).catch((error: unknown) => front.answerError(exchange, error));
    });
  };
  front.route('/unsubscribe', { GET: (exchange, head) => (tokenOf(head) === null ? page(exchange, 400, BROKEN_LINK) : page(exchange, 200, QUESTION)), POST: post });
}

async function unsubscribe(exchange: Exchange, alerts: AlertsPort, token: string): Promise<void> {
  try {
    const { name, channel } = await alerts.ask({ kind: 'unsubscribe', token });
    page(exchange, 200, { title: 'Unsubscribed', body: `<p>${escaped(name)} gets no more ${CHANNEL_NOUNS[channel]}. Whoever runs this grid can turn them on again.</p>` });
  } catch (error) {
    if (!(error instanceof OperationalError) || error.retryable || (error.code !== 'invalid_token' && error.code !== 'alerts_off' && error.code !== 'unknown_contact')) throw error;
    page(exchange, error.code === 'invalid_token' ? 400 : 404, BROKEN_LINK);
  }
}

/** The token in the query; null when there is none, or something else. */
function tokenOf(head: HttpRequest): string | null {
  const query = parseQuery(tokenQuery, head.getQuery() ?? '');
  return isProblem(query) ? null : query.token;
}

const CHANNEL_NOUNS: Readonly<Record<ChannelName, string>> = { email: 'e-mails', sms: 'text messages', push: 'push messages', webhook: 'webhook calls', live: 'messages on the dashboard' };

interface Page {
  title: string;
  /** HTML. */
  body: string;
}

const QUESTION: Page = {
  title: 'No more of these messages?',
  body: '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><p>You would not be told of alerts this way any more.</p><p><button>Unsubscribe</button></p></form>',
};
const BROKEN_LINK: Page = { title: 'This link does not work', body: '<p>It may have been cut off on its way. Take the one from a newer message, or ask whoever runs this grid.</p>' };
const NOT_A_FORM: Page = { title: 'Not understood', body: '<p>Open the link in a browser and press its button; a program posts the form <code>List-Unsubscribe=One-Click</code>.</p>' };

function page(exchange: Exchange, status: number, { title, body }: Page): void {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${title}</title><h1>${title}</h1>${body}</html>\n`;
  exchange.reply(status, 'text/html; charset=utf-8', html, PAGE_HEADERS);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
