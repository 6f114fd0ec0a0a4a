import type { Schedule, ScheduleLayer } from '../../model/contact.ts';
import type { OnCallTurn } from '../notifications/protocol.ts';
import { inSpan, nextChange } from './local-spans.ts';
import { dayNumber, instantOf, localTime, timeOfDay } from './local-time.ts';

/** Who is on call by a schedule. Overrides stand before layers, and among either the later in its list before the earlier. */

export interface OnDuty {
  contactId: string;
  /** The layer's name, or the override's id. */
  source: string;
}

/** Who is on call; null: nobody. */
export function onDuty(schedule: Schedule, atMs: number): OnDuty | null {
  const override = schedule.overrides.findLast(({ from, to }) => atMs >= from && atMs < to);
  if (override !== undefined) return { contactId: override.contactId, source: override.id };
  for (const layer of schedule.layers.toReversed()) {
    const contactId = personOfLayer(layer, schedule.zone, atMs);
    if (contactId !== null) return { contactId, source: layer.name };
  }
  return null;
}

/** Who is on call from `from` to `to`: without gaps, in order; neighbours differ. */
export function onCallTurns(schedule: Schedule, from: number, to: number): OnCallTurn[] {
  const turns: OnCallTurn[] = [];
  const changes = changeTimes(schedule, from);
  for (let atMs = from; atMs < to; ) {
    const duty = onDuty(schedule, atMs);
    const endMs = Math.min(to, changes(atMs));
    const last = turns.at(-1);
    if (last !== undefined && last.contactId === (duty?.contactId ?? null) && last.source === (duty?.source ?? null)) last.to = endMs;
    else turns.push({ from: atMs, to: endMs, contactId: duty?.contactId ?? null, source: duty?.source ?? null });
    atMs = endMs;
  }
  return turns;
}

/** Gives the next time after another, each later than the one before, at which somebody else may be on call. */
function changeTimes(schedule: Schedule, fromMs: number): (afterMs: number) => number {
  const sources = [
    ...schedule.overrides.map(({ from, to }) => (afterMs: number) => (from > afterMs ? from : to > afterMs ? to : Infinity)),
    ...schedule.layers.flatMap((layer) => [(afterMs: number) => nextHandoff(layer, schedule.zone, afterMs), (afterMs: number) => nextChange(layer.restrictions, schedule.zone, afterMs)]),
  ];
  const next = sources.map((source) => source(fromMs));
  return (afterMs) => {
    for (const [i, source] of sources.entries()) if (next[i] <= afterMs) next[i] = source(afterMs);
    return Math.min(Infinity, ...next);
  };
}

function personOfLayer(layer: ScheduleLayer, zone: string, atMs: number): string | null {
  if (layer.people.length === 0) return null;
  if (layer.restrictions.length > 0 && !inSpan(layer.restrictions, zone, atMs)) return null;
  const turn = turnOf(layer, zone, atMs);
  return turn < 0 ? null : layer.people[turn % layer.people.length];
}

/** Counts turns from 0; negative before the first. */
function turnOf(layer: ScheduleLayer, zone: string, atMs: number): number {
  return Math.floor((handoffDay(layer, zone, atMs) - dayNumber(layer.startsOn)) / layer.turnDays);
}

/** The local day whose time of handoff was the last to come: one that comes twice counts the first time, one that never comes when the clock has leapt over it. */
function handoffDay(layer: ScheduleLayer, zone: string, atMs: number): number {
  const timeMs = timeOfDay(layer.handoffAt);
  // A clock that goes back over midnight shows the day before once more: the next day's time may have come.
  let day = localTime(zone, atMs).day + 1;
  while (instantOf(zone, { day, timeMs }) > atMs) day--;
  return day;
}

function nextHandoff(layer: ScheduleLayer, zone: string, afterMs: number): number {
  const turn = Math.max(0, turnOf(layer, zone, afterMs) + 1);
  return instantOf(zone, { day: dayNumber(layer.startsOn) + turn * layer.turnDays, timeMs: timeOfDay(layer.handoffAt) });
}
