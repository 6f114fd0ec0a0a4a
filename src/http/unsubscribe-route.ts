import type { HttpRequest } from 'uWebSockets.js';
import { z } from 'zod';
import { OperationalError } from '../runtime/errors.ts';
import type { AlertsPort } from './alerts-port.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import type { JsonIntake } from './json-intake.ts';
import { isProblem, parseQuery } from './query-parameters.ts';
import { brokenLinkPage, notAFormPage, pageHtml, questionPage, RESUME_FIELD, resumedPage, STOP_FIELD, stoppedPage, type Page } from './unsubscribe-page.ts';

/**
 * /unsubscribe?token=…: the link at the end of a message. GET only asks, since scanners of mail follow every link; POST does it, from the page's button or at one click by the mail program (RFC 8058), which sends a
 * form and whatever Origin it has. So the two rules of other writes do not hold here: the token alone, which nobody can guess, says that it is right. The page that follows has a button to take it back.
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
  const answer = (exchange: Exchange, languages: string, ask: () => Promise<Page>): void => {
    ask()
      .catch((error: unknown) => {
        const status = statusOf(error);
        if (status === null) throw error;
        reply(exchange, status, brokenLinkPage(languages));
        return null;
      })
      .then((page) => page !== null && reply(exchange, 200, page))
      .catch((error: unknown) => front.answerError(exchange, error));
  };
  const get = (exchange: Exchange, head: HttpRequest): void => {
    const token = tokenOf(head);
    const languages = head.getHeader('accept-language');
    if (token === null) return reply(exchange, 400, brokenLinkPage(languages));
    if (!intake.enter(exchange)) return;
    answer(exchange, languages, async () => {
      const subscription = await alerts.ask({ kind: 'subscription', token });
      return subscription.stoppedAt === null ? questionPage(subscription) : stoppedPage(subscription);
    });
  };
  const post = (exchange: Exchange, head: HttpRequest): void => {
    const token = tokenOf(head);
    const languages = head.getHeader('accept-language');
    const mediaType = head.getHeader('content-type').split(';')[0].trim().toLowerCase();
    if (token === null) return reply(exchange, 400, brokenLinkPage(languages));
    if (!FORM_TYPES.includes(mediaType)) return reply(exchange, 415, notAFormPage(languages));
    if (!intake.enter(exchange)) return;
    intake.collectText(exchange, head, (text) => {
      if (hasField(text, STOP_FIELD)) answer(exchange, languages, async () => stoppedPage(await alerts.ask({ kind: 'unsubscribe', token })));
      else if (hasField(text, RESUME_FIELD)) answer(exchange, languages, async () => resumedPage(await alerts.ask({ kind: 'resubscribe', token })));
      else reply(exchange, 400, notAFormPage(languages));
    });
  };
  front.route('/unsubscribe', { GET: get, POST: post });
}

/** What an error says of the link; null: it is not the link's. */
function statusOf(error: unknown): number | null {
  if (!(error instanceof OperationalError) || error.retryable) return null;
  if (error.code === 'invalid_token') return 400;
  return error.code === 'alerts_off' || error.code === 'unknown_contact' ? 404 : null;
}

/** In a form of either type; nothing else that posts by itself says it. */
function hasField(text: string, { name, value }: { name: string; value: string }): boolean {
  return text.includes(name) && text.includes(value);
}

/** The token in the query; null when there is none, or something else. */
function tokenOf(head: HttpRequest): string | null {
  const query = parseQuery(tokenQuery, head.getQuery() ?? '');
  return isProblem(query) ? null : query.token;
}

function reply(exchange: Exchange, status: number, page: Page): void {
  exchange.reply(status, 'text/html; charset=utf-8', pageHtml(page), PAGE_HEADERS);
}
