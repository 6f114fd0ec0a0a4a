import type { HttpRequest } from 'uWebSockets.js';
import type { Clock, Timers } from '../runtime/clock.ts';
import { BodyIntake } from './body-intake.ts';
import type { Exchange } from './exchange.ts';
import type { Problem } from './problem-details.ts';

/** Bodies of writes: one JSON value each, small and soon there. One per listening server. */

/** A tariff is the largest: four hundred rules of a schedule, and the holidays of fifty years. */
export const JSON_BYTES_MAX = 256 * 1024;
/** Writes whose bodies are awaited or that are being answered; past it 503. People and a few programs write, and as many bodies are 16 MiB. */
export const WRITES_IN_FLIGHT_MAX = 64;
/** From head to last byte: 37 KiB/s for a full body. uWebSockets cuts a slower one itself after 8–12 s, without an answer. */
const BODY_DEADLINE_MS = 7_000;

/** As BodyLimits. */
export interface IntakeLimits {
  bodyBytesMax: number;
  /** Requests whose bodies are awaited or that are being answered; past it 503. */
  inFlightMax: number;
  bodyDeadlineMs: number;
  windowMs: number;
  windowBytesMin: number;
}

const JSON_LIMITS: IntakeLimits = { bodyBytesMax: JSON_BYTES_MAX, inFlightMax: WRITES_IN_FLIGHT_MAX, bodyDeadlineMs: BODY_DEADLINE_MS, windowMs: BODY_DEADLINE_MS, windowBytesMin: 0 };

export class JsonIntake {
  private readonly intake: BodyIntake;
  private readonly inFlightMax: number;
  private inFlight = 0;

  constructor(modules: { clock: Clock; timers: Timers }, { inFlightMax, ...limits }: IntakeLimits = JSON_LIMITS) {
    this.inFlightMax = inFlightMax;
    this.intake = new BodyIntake({ ...limits, bufferedBytesMax: 2 * inFlightMax * limits.bodyBytesMax }, modules);
  }

  /** Takes a place for a write until it is answered; false, and it is answered, when there is none. */
  enter(exchange: Exchange): boolean {
    if (this.inFlight >= this.inFlightMax) {
      exchange.problem(tooManyWrites(this.inFlightMax));
      return false;
    }
    this.inFlight++;
    exchange.onEnded(() => this.inFlight--);
    return true;
  }

  /** Calls `onText` with the body as text, or answers why not and never calls it. Call it before the handler first returns to the event loop. */
  collectText(exchange: Exchange, head: HttpRequest, onText: (text: string) => void): void {
    this.intake.collectBody(exchange, head, (bytes) => {
      let text: string;
      try {
        text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      } catch {
        return exchange.problem({ status: 400, code: 'invalid_json', detail: 'The body is not UTF-8.' });
      }
      onText(text);
    });
  }

  close(): void {
    this.intake.close();
  }
}

/** Why a body with this head is none that is taken; null where it is. A Content-Type has to say that it is JSON: a form of a foreign page cannot. */
export function unsupportedBody(contentType: string, contentEncoding: string): Problem | null {
  return unsupportedType(contentType) ?? unsupportedCoding(contentEncoding);
}

/** The value of a JSON text, or why it has none. Nor has it one with half of a surrogate, which only an escape can bring (RFC 7493): no encoding has those, so what was stored would not be what was sent. */
export function jsonValue(text: string): { value: unknown } | Problem {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(text, (error as Error).message);
  }
  return SURROGATE_ESCAPE.test(text) && hasHalfSurrogate(value) ? HALF_SURROGATE : { value };
}

const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;
const HALF_SURROGATE: Problem = { status: 400, code: 'invalid_json', detail: 'The body is JSON with half of a surrogate pair in it, which is no character.' };

function hasHalfSurrogate(value: unknown): boolean {
  if (typeof value === 'string') return /\p{Surrogate}/u.test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, inner]) => hasHalfSurrogate(name) || hasHalfSurrogate(inner));
}

function tooManyWrites(inFlightMax: number): Problem {
  return { status: 503, code: 'overloaded', detail: `${inFlightMax} requests that write are under way already. Try again.`, retryAfterSeconds: 1 };
}

function unsupportedType(contentType: string): Problem | null {
  const [mediaType, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const isPlain = parameters.every((parameter) => !parameter.startsWith('charset') || /^charset\s*=\s*"?utf-?8"?$/.test(parameter));
  if (mediaType === 'application/json' && isPlain) return null;
  return unsupported(`${mediaType === '' ? 'The request has no Content-Type' : `Content-Type ${JSON.stringify(contentType.slice(0, 40))} is not taken here`}. Send application/json in UTF-8.`);
}

function unsupportedCoding(contentEncoding: string): Problem | null {
  if (contentEncoding === '' || contentEncoding.trim().toLowerCase() === 'identity') return null;
  return unsupported(`Content-Encoding ${JSON.stringify(contentEncoding.slice(0, 40))} is not taken here: bodies are small. Send it plain.`);
}

function unsupported(detail: string): Problem {
  return { status: 415, code: 'unsupported_media_type', detail };
}

/** V8's words, without the piece of the body that some of them quote: it may hold a secret. */
function notJson(text: string, words: string): Problem {
  const position = / at position (\d+)/.exec(words)?.[1];
  const isCutOff = words.startsWith('Unterminated') || words.startsWith('Unexpected end') || Number(position) === text.length;
  const fault = text.trim() === '' ? 'it is empty' : isCutOff ? 'it ends too early' : words.replace(/, (\.\.\.)?".*$/s, '');
  return { status: 400, code: 'invalid_json', detail: `The body is not JSON: ${fault}.` };
}
