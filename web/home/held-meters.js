// @ts-check
import { formatDay } from '../money.js';

/**
 * Whose a meter is changes with time: which are a consumer's now, which were before, and when.
 *
 * @typedef {{ fromMs: number, untilMs: number }} HeldSpan [from, until); infinite where no end is known
 * @typedef {{ meterId: string, spans: HeldSpan[], isPresent: boolean }} HeldMeter `spans` in order, those that have begun
 */

/**
 * Meters that are or were somebody's: those of now in order of their ids, then the others, the one that was left last first. What will be theirs is not among them.
 * @param {readonly import('../account/account-types.js').Assignment[]} assignments @param {number} nowMs
 * @returns {HeldMeter[]}
 */
export function heldMeters(assignments, nowMs) {
  /** @type {Map<string, HeldSpan[]>} */
  const spansOf = new Map();
  for (const { meterId, from, until } of assignments) {
    const span = spanOf({ from, until });
    if (span.fromMs <= nowMs) spansOf.set(meterId, [...(spansOf.get(meterId) ?? []), span]);
  }
  const all = [...spansOf].map(([meterId, spans]) => ({ meterId, spans: spans.sort((a, b) => a.fromMs - b.fromMs), isPresent: spans.some(({ untilMs }) => nowMs < untilMs) }));
  return all.sort((a, b) => Number(b.isPresent) - Number(a.isPresent) || (a.isPresent ? 0 : lastMoment(b) - lastMoment(a)) || (a.meterId < b.meterId ? -1 : 1));
}

/** @param {{ from: string | null, until: string | null }} assignment @returns {HeldSpan} */
export function spanOf({ from, until }) {
  return { fromMs: from === null ? -Infinity : Date.parse(from), untilMs: until === null ? Infinity : Date.parse(until) };
}

/** The first moment at which it is not theirs any more; Infinity while no end is known. @param {HeldMeter} meter */
export function lastMoment({ spans }) {
  return Math.max(...spans.map(({ untilMs }) => untilMs));
}

/**
 * In words, by the viewer's clock: `from 1 Mar 2026 to 30 Jun 2026 and since 1 Oct 2026`; empty for what has always been theirs.
 * @param {readonly HeldSpan[]} spans
 */
export function heldText(spans) {
  return spans.map(spanText).filter((words) => words !== '').join(' and ');
}

/** @param {HeldSpan} span */
function spanText({ fromMs, untilMs }) {
  if (fromMs === -Infinity) return untilMs === Infinity ? '' : `until ${endText(untilMs)}`;
  return untilMs === Infinity ? `since ${momentText(fromMs)}` : `from ${momentText(fromMs)} to ${endText(untilMs)}`;
}

/** A day is not named by the midnight after it. @param {number} untilMs */
function endText(untilMs) {
  return isMidnight(untilMs) ? dayText(untilMs - 1) : momentText(untilMs);
}

/** A day alone where it is its midnight. @param {number} epochMs */
export function momentText(epochMs) {
  return isMidnight(epochMs) ? dayText(epochMs) : `${dayText(epochMs)}, ${localMinute(epochMs)}`;
}

/** @param {number} epochMs */
function isMidnight(epochMs) {
  return new Date(epochMs).setHours(0, 0, 0, 0) === epochMs;
}

/** @param {number} epochMs */
function dayText(epochMs) {
  return formatDay(localDate(epochMs));
}

/** `2026-07-01` by the viewer's clock. @param {number} epochMs */
export function localDate(epochMs) {
  const time = new Date(epochMs);
  return [String(time.getFullYear()).padStart(4, '0'), twoDigits(time.getMonth() + 1), twoDigits(time.getDate())].join('-');
}

/** `14:30` by the viewer's clock. @param {number} epochMs */
function localMinute(epochMs) {
  const time = new Date(epochMs);
  return `${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`;
}

/** @param {number} part of a date */
function twoDigits(part) {
  return String(part).padStart(2, '0');
}
