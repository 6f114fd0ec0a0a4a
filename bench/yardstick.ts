/**
 * How fast this machine is just now. Shared machines differ by a factor of two from one hour to the next, and DESIGN's numbers come from one of them, so a report says
 * which share of that machine's speed it had. Measured by what needs no code of ours: JSON.parse.
 */

/** Readings/s of JSON.parse on one core of the machine that DESIGN's numbers were measured on ("JSON.parse of 500-reading batches"). */
export const DESIGN_PARSED_PER_SECOND = 1_500_000;

const READINGS_PER_BODY = 500;
/** Of a reading there: "one 214-byte JSON reading". */
const READING_BYTES = 214;
const ROUNDS = 5;
export const YARDSTICK_ROUND_MS = 200;

/** Readings/s that one core parses; the median of some short rounds, about a second in all. */
export function parsedPerSecond(roundMs: number = YARDSTICK_ROUND_MS): number {
  const body = bodyOfReadings();
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startedMs = performance.now();
    let readings = 0;
    do {
      readings += (JSON.parse(body) as unknown[]).length;
    } while (performance.now() - startedMs < roundMs);
    return (readings / (performance.now() - startedMs)) * 1_000;
  });
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1];
}

/** As a sentence of a report. */
export function yardstickLine(parsed: number): string {
  const share = parsed / DESIGN_PARSED_PER_SECOND;
  return `Yardstick: one core parses ${Math.round(parsed / 1_000)},000 readings/s here and now, ${share.toFixed(2)} of the machine that the goals were set on.`;
}

function bodyOfReadings(): string {
  return JSON.stringify(Array.from({ length: READINGS_PER_BODY }, (_, i) => reading(i)));
}

function reading(i: number): object {
  const known = { readingId: `0000-${i}`, meterId: `meter-${String(i).padStart(6, '0')}`, region: 'region-01', timestamp: '2026-01-01T00:00:00.000Z', powerKw: 1.234, energyKwh: 0.020567, voltage: 230.1, current: 5.36, seq: i };
  const padding = READING_BYTES - JSON.stringify({ ...known, metadata: '' }).length;
  return { ...known, metadata: 'x'.repeat(padding) };
}
