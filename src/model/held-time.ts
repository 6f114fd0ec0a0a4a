/** The times in which a meter is somebody's: who moves in sees nothing of before, and who moved out nothing of after. */

/** [from, until), epoch ms; null: always has been, and for as long as anybody knows. */
export interface HeldSpan {
  from: number | null;
  until: number | null;
}

/** In order, and with something between any two. */
export type HeldTime = readonly HeldSpan[];

export const ALWAYS: HeldTime = [{ from: null, until: null }];
export const NEVER: HeldTime = [];

export function isAlways(time: HeldTime): boolean {
  return time.length === 1 && time[0].from === null && time[0].until === null;
}

/** `time` and the span. */
export function withSpan(time: HeldTime, span: HeldSpan): HeldTime {
  const [apart, touching] = [time.filter((one) => !touches(one, span)), time.filter((one) => touches(one, span))];
  const all = [span, ...touching];
  return ordered([...apart, spanOf(Math.min(...all.map(begin)), Math.max(...all.map(end)))]);
}

/** `time` without the span. */
export function withoutSpan(time: HeldTime, span: HeldSpan): HeldTime {
  return time.flatMap((one) => [...piece(begin(one), Math.min(end(one), begin(span))), ...piece(Math.max(begin(one), end(span)), end(one))]);
}

export function isSameTime(a: HeldTime, b: HeldTime): boolean {
  return a.length === b.length && a.every(({ from, until }, i) => from === b[i].from && until === b[i].until);
}

export function spanAt(time: HeldTime, at: number): HeldSpan | null {
  return time.find((span) => begin(span) <= at && at < end(span)) ?? null;
}

/** Whether all of [from, to) lies in it; of a moment (`from` = `to`) that. */
export function holdsAll(time: HeldTime, from: number, to: number): boolean {
  return time.some((span) => begin(span) <= from && to <= end(span) && from < end(span));
}

/** What of [from, to) lies in it, in order. */
export function partsOf(time: HeldTime, from: number, to: number): { from: number; to: number }[] {
  return time.map((span) => ({ from: Math.max(from, begin(span)), to: Math.min(to, end(span)) })).filter((part) => part.from < part.to);
}

/** The spans that have begun: nobody sees ahead what will be theirs. */
export function begunBy(time: HeldTime, nowMs: number): HeldTime {
  return time.every((span) => begin(span) <= nowMs) ? time : time.filter((span) => begin(span) <= nowMs);
}

/** When what somebody may see changes next; Infinity: never. */
export function nextEdge(time: HeldTime, nowMs: number): number {
  let next = Infinity;
  for (const span of time) for (const edge of [begin(span), end(span)]) if (edge > nowMs && edge < next) next = edge;
  return next;
}

export function begin({ from }: HeldSpan): number {
  return from ?? -Infinity;
}

export function end({ until }: HeldSpan): number {
  return until ?? Infinity;
}

function touches(a: HeldSpan, b: HeldSpan): boolean {
  return begin(a) <= end(b) && begin(b) <= end(a);
}

function piece(from: number, until: number): HeldSpan[] {
  return from < until ? [spanOf(from, until)] : [];
}

function spanOf(from: number, until: number): HeldSpan {
  return { from: from === -Infinity ? null : from, until: until === Infinity ? null : until };
}

function ordered(time: HeldSpan[]): HeldTime {
  return time.sort((a, b) => begin(a) - begin(b));
}
