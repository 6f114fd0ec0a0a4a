import { createRequire } from 'node:module';

/** A curve as a picture for an e-mail: PNG on transparent ground, in colours that show on white and on black, and without a letter in it. Words stand beside it, where they can be read aloud, and in any size. */

/** What a curve is drawn of: a region's load or a meter's power (or voltage) over the last hours. */
export interface CurveData {
  what: 'load' | 'power' | 'voltage';
  /** Name of the region or meter. */
  label: string;
  unit: 'kW' | 'V' | '%';
  /** In order of time. null: a gap. */
  points: readonly { at: number; value: number | null }[];
  /** What is above it is shaded; null: there is no limit. */
  threshold: number | null;
  /** What was to be expected; null or absent: not known. */
  band?: readonly { at: number; low: number; high: number }[] | null;
}

export interface CurvePicture {
  png: Uint8Array;
  /** Values at its lower and upper edge, round ones. */
  low: number;
  high: number;
  /** Times at its left and right edge. */
  from: number;
  to: number;
}

/** Size in a message, CSS pixels; the file has twice as many each way, for sharp screens. */
export const PICTURE_WIDTH = 520;
export const PICTURE_HEIGHT = 160;
const SCALES = [2, 1] as const;
/** A mail goes to hundreds of people; a curve that takes more than this at twice the size is noise, and is drawn at the size it is shown at. */
const PNG_BYTES_MAX = 60_000;

/** Loaded for the first picture: an engine that sends no mail needs none. */
let renderer: typeof import('@resvg/resvg-js') | null = null;

/** Parts that the ground is divided into by lines. */
const GRID_PARTS_MAX = 5;
/** A point in every pixel of the file says all; of more, the extremes of each pixel are drawn. */
const COLUMNS = PICTURE_WIDTH * SCALES[0];

const CURVE = '#2f8fd0';
const EXCESS = '#e5484d';
const GRID = '#8796a3';

/** Drawn once for all who are told of it: the engine gives each of them the same data. */
const drawn = new WeakMap<CurveData, CurvePicture | 'nothing'>();

/** null: fewer than two points, nothing to draw. */
export function curvePicture(data: CurveData): CurvePicture | null {
  let picture = drawn.get(data);
  if (picture === undefined) drawn.set(data, (picture = draw(data) ?? 'nothing'));
  return picture === 'nothing' ? null : picture;
}

interface Point {
  at: number;
  value: number;
}

interface Plane {
  low: number;
  high: number;
  step: number;
  from: number;
  to: number;
}

function draw(data: CurveData): CurvePicture | null {
  const runs = runsOf(data.points);
  const all = runs.flat();
  if (all.length < 2 || all[0].at >= all[all.length - 1].at) return null;
  const plane: Plane = { ...valueRange(all, data), from: all[0].at, to: all[all.length - 1].at };
  const svg = curveSvg(runs, data, plane);
  renderer ??= createRequire(import.meta.url)('@resvg/resvg-js') as typeof import('@resvg/resvg-js');
  let png: Uint8Array = new Uint8Array();
  for (const scale of SCALES) {
    png = new renderer.Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font: { loadSystemFonts: false } }).render().asPng();
    if (png.length <= PNG_BYTES_MAX) break;
  }
  return { png, low: plane.low, high: plane.high, from: plane.from, to: plane.to };
}

/** Points between gaps. */
function runsOf(points: CurveData['points']): Point[][] {
  const runs: Point[][] = [[]];
  for (const { at, value } of points) {
    if (value !== null && Number.isFinite(value)) runs[runs.length - 1].push({ at, value });
    else if (runs[runs.length - 1].length > 0) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

/** Round edges around all that is drawn; from zero where that costs no more than half of the height. */
function valueRange(points: readonly Point[], { threshold, band }: CurveData): { low: number; high: number; step: number } {
  let least = threshold ?? points[0].value;
  let most = least;
  const take = (value: number) => {
    least = Math.min(least, value);
    most = Math.max(most, value);
  };
  for (const { value } of points) take(value);
  for (const { low, high } of band ?? []) {
    take(low);
    take(high);
  }
  if (least >= 0 && least <= most / 2) least = 0;
  const step = roundStep((most - least || Math.abs(most) || 1) / (GRID_PARTS_MAX - 1));
  // Neither end of the curve lies on an edge, but for zero.
  const margin = step / 16;
  const low = Math.floor((least === 0 ? 0 : least - margin) / step) * step;
  const high = Math.ceil((most + margin) / step) * step;
  return { low, high, step };
}

/** The next of 1, 2, 2.5, 5 and their tenfolds. */
function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 2.5, 5, 10].find((step) => step * power >= atLeast)! * power;
}

function curveSvg(runs: readonly Point[][], { threshold, band }: CurveData, plane: Plane): string {
  const x = (at: number) => round(((at - plane.from) / (plane.to - plane.from)) * PICTURE_WIDTH);
  const y = (value: number) => round((1 - (value - plane.low) / (plane.high - plane.low)) * PICTURE_HEIGHT);
  const limit = threshold ?? plane.high;
  const lines = runs.map((run) => withCrossings(thinned(run, plane), limit));
  const last = runs[runs.length - 1][runs[runs.length - 1].length - 1];
  /** Between the curve and its foot, as far as it is on that side of the limit. */
  const area = (foot: number, clamp: (value: number) => number) =>
    lines.map((line) => `M${x(line[0].at)},${y(foot)}L${line.map(({ at, value }) => `${x(at)},${y(clamp(value))}`).join('L')}L${x(line[line.length - 1].at)},${y(foot)}Z`).join('');
  /** The parts of the curve whose both ends are on that side. */
  const curve = (isIn: (value: number) => boolean) =>
    lines
      .flatMap((line) => line.slice(1).map((point, i) => (isIn(line[i].value) && isIn(point.value) ? `${i > 0 && isIn(line[i - 1].value) ? '' : `M${x(line[i].at)},${y(line[i].value)}`}L${x(point.at)},${y(point.value)}` : '')))
      .join('');
  const stroke = `fill="none" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"`;
  const above = curve((value) => value >= limit);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${PICTURE_WIDTH}" height="${PICTURE_HEIGHT}" viewBox="0 0 ${PICTURE_WIDTH} ${PICTURE_HEIGHT}">`,
    gridSvg(plane, y),
    band === null || band === undefined ? '' : bandSvg(band, plane, x, y),
    `<path d="${area(plane.low, (value) => Math.min(value, limit))}" fill="${CURVE}" fill-opacity="0.14"/>`,
    above === '' ? '' : `<path d="${area(limit, (value) => Math.max(value, limit))}" fill="${EXCESS}" fill-opacity="0.35"/>`,
    `<path d="${curve((value) => value <= limit)}" stroke="${CURVE}" ${stroke}/>`,
    above === '' ? '' : `<path d="${above}" stroke="${EXCESS}" ${stroke}/>`,
    threshold === null ? '' : `<path d="M0,${y(limit)}H${PICTURE_WIDTH}" stroke="${EXCESS}" stroke-width="1.5" stroke-dasharray="6 4"/>`,
    `<circle cx="${Math.min(x(last.at), PICTURE_WIDTH - 4)}" cy="${y(last.value)}" r="3.5" fill="${last.value > limit ? EXCESS : CURVE}"/>`,
    '</svg>',
  ].join('');
}

/** The points and, between them, those at which the curve crosses the limit. Cutting it there costs 15 ms where clipping by the renderer cost 38 (measured). */
function withCrossings(points: readonly Point[], limit: number): Point[] {
  const all: Point[] = [];
  for (const point of points) {
    const before = all[all.length - 1];
    if (before !== undefined && (before.value - limit) * (point.value - limit) < 0) {
      all.push({ at: before.at + ((limit - before.value) / (point.value - before.value)) * (point.at - before.at), value: limit });
    }
    all.push(point);
  }
  return all;
}

function gridSvg({ low, high, step }: Plane, y: (value: number) => number): string {
  const parts = Math.round((high - low) / step);
  const heights = Array.from({ length: parts + 1 }, (_, i) => Math.min(Math.max(y(low + i * step), 0.5), PICTURE_HEIGHT - 0.5));
  return `<path d="${heights.map((height) => `M0,${height}H${PICTURE_WIDTH}`).join('')}" stroke="${GRID}" stroke-opacity="0.35" stroke-width="1"/>`;
}

function bandSvg(band: NonNullable<CurveData['band']>, plane: Plane, x: (at: number) => number, y: (value: number) => number): string {
  const inside = band.filter(({ at }) => at >= plane.from && at <= plane.to);
  const upper = inside.map(({ at, high }) => `${x(at)},${y(high)}`);
  const lower = inside.map(({ at, low }) => `${x(at)},${y(low)}`).reverse();
  return upper.length < 2 ? '' : `<path d="M${[...upper, ...lower].join('L')}Z" fill="${GRID}" fill-opacity="0.28"/>`;
}

/** Of points that share a pixel the lowest and the highest, in order of time: what is drawn is the same, and the picture is small however many there are. */
function thinned(run: readonly Point[], { from, to }: Plane): readonly Point[] {
  if (run.length <= COLUMNS) return run;
  const kept: Point[] = [];
  let column = -1;
  let least = run[0];
  let most = run[0];
  const keep = () => kept.push(...(least === most ? [least] : least.at <= most.at ? [least, most] : [most, least]));
  for (const point of run) {
    const own = Math.floor(((point.at - from) / (to - from)) * COLUMNS);
    if (own !== column) {
      if (column !== -1) keep();
      column = own;
      least = most = point;
    } else if (point.value < least.value) least = point;
    else if (point.value > most.value) most = point;
  }
  keep();
  return kept;
}

/** A tenth of a pixel is finer than the screen; longer numbers only make the picture's source large. */
function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
