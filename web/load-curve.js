// @ts-check
import { html, useEffect, useLayoutEffect, useRef, useState } from './ui.js';
import uPlot from 'uplot';
import { formatMinute } from './format.js';

/**
 * A curve over time, on uPlot. Colours are CSS variables of the page, read anew when the colour scheme changes.
 *
 * @typedef {object} CurveSeries
 * @property {(number | null)[]} values
 * @property {string} color CSS variable, as `--accent`
 * @property {string} [fill] CSS variable of the area below
 * @property {boolean} [dashed]
 * @property {boolean} [hidden] only there as the edge of the band
 */

function themeNow() {
  return document.documentElement.dataset.theme;
}

/** @param {string} variable */
function cssColor(variable) {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

/** Figures of an axis, the unit at the topmost. @param {number[]} ticks @param {string} unit */
function axisLabels(ticks, unit) {
  if (unit === 'kW') return powerLabels(ticks);
  const top = ticks[ticks.length - 1];
  return ticks.map((tick) => `${Number(tick.toFixed(4))}${tick === top ? ` ${unit}` : ''}`);
}

/** @param {number[]} ticksKw */
function powerLabels(ticksKw) {
  const top = ticksKw[ticksKw.length - 1];
  const [kwPerUnit, unit] = top >= 1000 ? [1000, 'MW'] : [1, 'kW'];
  return ticksKw.map((tick) => `${tick / kwPerUnit}${tick === top ? ` ${unit}` : ''}`);
}

/**
 * @param {CurveSeries[]} series
 * @param {number} width
 * @param {number} height
 * @param {{ current: [number, number] }} xRange
 * @param {{ current: number }} yMax
 * @param {(index: number | null) => void} onHover
 * @param {string | undefined} bandFill
 * @param {string} unit
 * @param {[number, number] | undefined} yRange
 * @returns {uPlot.Options}
 */
function chartOptions(series, width, height, xRange, yMax, onHover, bandFill, unit, yRange) {
  const axis = {
    stroke: cssColor('--muted'),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: cssColor('--hairline'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: { time: true, range: () => xRange.current },
      y: { range: (_plot, low, high) => yRange !== undefined ? [Math.min(yRange[0], low ?? yRange[0]), Math.max(yRange[1], high ?? yRange[1])] : [Math.min(0, low ?? 0), Math.max(yMax.current, (high ?? 1) * 1.08)] },
    },
    axes: [
      { ...axis, size: 26, gap: 6, space: 70, values: (_plot, ticks) => ticks.map((tick) => formatMinute(tick * 1000)) },
      { ...axis, size: 52, gap: 6, space: 32, values: (_plot, ticks) => axisLabels(ticks, unit) },
    ],
    series: [
      {},
      ...series.map(({ color, fill, dashed, hidden }) => ({
        stroke: hidden ? 'transparent' : cssColor(color),
        width: dashed ? 1 : 1.75,
        points: { show: false, filter: (/** @type {uPlot} */ plot, /** @type {number} */ index) => lonePoints(plot.data[index]), size: 4, fill: hidden ? 'transparent' : cssColor(color) },
        ...(dashed ? { dash: [5, 4] } : {}),
        ...(fill ? { fill: cssColor(fill) } : {}),
      })),
    ],
    ...(bandFill ? { bands: [{ series: /** @type {[number, number]} */ ([series.length, series.length - 1]), fill: cssColor(bandFill) }] } : {}),
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
  };
}

/**
 * Figures with none on either side, through which no line goes: meters that report every few minutes leave minutes out.
 * @param {ArrayLike<number | null | undefined>} values
 */
export function lonePoints(values) {
  const found = [];
  for (let i = 0; i < values.length; i++) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  return found;
}

/**
 * @param {object} props
 * @param {string} props.label what the picture says, for those who do not see it
 * @param {number[]} props.seconds
 * @param {CurveSeries[]} props.series a band, if any, lies between the last two
 * @param {string} [props.bandFill]
 * @param {[number, number]} props.range shown times, epoch seconds
 * @param {number} [props.yMax] the scale reaches at least up to here
 * @param {string} [props.unit] of the figures at the axis
 * @param {[number, number]} [props.yRange] shown at least, in the place of all from 0 on
 * @param {number} props.height
 * @param {(index: number | null) => void} props.onHover
 */
export function LoadCurve({ label, seconds, series, bandFill, range, yMax = 0, unit = 'kW', yRange, height, onHover }) {
  const host = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const xRange = useRef(range);
  const yTop = useRef(yMax);
  const hover = useRef(onHover);
  const [scheme, setScheme] = useState(themeNow);
  xRange.current = range;
  yTop.current = yMax;
  hover.current = onHover;

  useEffect(() => {
    const changed = () => setScheme(themeNow());
    addEventListener('seg-themed', changed);
    return () => removeEventListener('seg-themed', changed);
  }, []);

  const shape = series.map(({ color, dashed, hidden }) => `${color}${dashed}${hidden}`).join();
  useLayoutEffect(() => {
    const element = /** @type {HTMLDivElement} */ (host.current);
    const options = chartOptions(series, element.clientWidth, height, xRange, yTop, (index) => hover.current(index), bandFill, unit, yRange);
    const chart = new uPlot(options, [seconds, ...series.map(({ values }) => values)], element);
    plot.current = chart;
    const resized = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [scheme, height, shape]);

  useLayoutEffect(() => {
    plot.current?.setData([seconds, ...series.map(({ values }) => values)]);
  });

  return html`<div class="curve" ref=${host} role="img" aria-label=${label} style=${{ height: `${height}px` }}></div>`;
}
