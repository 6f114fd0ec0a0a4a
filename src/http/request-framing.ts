import type { HttpRequest } from 'uWebSockets.js';
import type { Problem } from './problem-details.ts';

/**
 * Heads that a proxy in front may read otherwise than uWebSockets does, so that the two disagree where a request ends and one client's bytes become the head of another's (RFC 9112, 11.2). uWebSockets itself refuses a
 * length beside chunks and lengths that are no numbers, and never ends a head that has folded lines, blanks before a colon or control characters; but it takes the first of two lengths, and any coding for chunks
 * (uws-pack 20.0.8).
 */

/** Why nobody can be sure how long the body is; null where it is clear. Whoever answers with it closes the connection, as nobody knows what its next bytes are. */
export function framingFault(head: HttpRequest): Problem | null {
  const coding = head.getHeader('transfer-encoding');
  if (coding === '' && head.getHeader('content-length') === '') return null;
  if (coding !== '' && coding.toLowerCase() !== 'chunked') return malformed('of a Transfer-Encoding "chunked" alone is taken');
  let fields = 0;
  head.forEach((name) => {
    if (name === 'content-length' || name === 'transfer-encoding') fields++;
  });
  return fields > 1 ? malformed('it says more than once how long its body is') : null;
}

function malformed(fault: string): Problem {
  return { status: 400, code: 'malformed_head', detail: `The head of the request is not well formed: ${fault}.` };
}
