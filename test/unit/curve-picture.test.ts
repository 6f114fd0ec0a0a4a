import { Resvg } from '@resvg/resvg-js';
import { describe, expect, it } from 'vitest';
import { curvePicture, PICTURE_HEIGHT, PICTURE_WIDTH, type CurveData } from '../../src/actors/notifications/templates/curve-picture.ts';

const NOW_MS = Date.UTC(2026, 10, 27, 13, 36);
const MINUTE_MS = 60_000;
/** Kept small in a mail that goes to hundreds. */
const PNG_BYTES_MAX = 60_000;

function curve(values: (number | null)[], overrides: Partial<CurveData> = {}): CurveData {
  return { what: 'load', label: 'region-03', unit: 'kW', points: values.map((value, i) => ({ at: NOW_MS + i * MINUTE_MS, value })), threshold: null, ...overrides };
}

/** Pixels of the picture: [red, green, blue, alpha] at a share of width and height. */
function pixels(data: CurveData): { width: number; height: number; at: (x: number, y: number) => number[] } {
  const { png } = curvePicture(data)!;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${PICTURE_WIDTH * 2}" height="${PICTURE_HEIGHT * 2}"><image width="100%" height="100%" xlink:href="data:image/png;base64,${Buffer.from(png).toString('base64')}"/></svg>`;
  const image = new Resvg(svg).render();
  return {
    width: Buffer.from(png).readUInt32BE(16),
    height: Buffer.from(png).readUInt32BE(20),
    at: (x, y) => [...image.pixels.subarray((Math.round(y * (image.height - 1)) * image.width + Math.round(x * (image.width - 1))) * 4).subarray(0, 4)],
  };
}

const isRed = ([red, green, blue, alpha]: number[]) => alpha > 20 && red > green * 1.5 && red > blue * 1.5;
const isBlue = ([red, , blue, alpha]: number[]) => alpha > 20 && blue > red * 1.5;

describe('the curve', () => {
  it('is a PNG of twice the size it is shown at', () => {
    expect(pixels(curve([1, 2, 3]))).toMatchObject({ width: 2 * PICTURE_WIDTH, height: 2 * PICTURE_HEIGHT });
  });

  it('has round values at its edges, and its own first and last time', () => {
    expect(curvePicture(curve([14.1, 15, 19.8], { threshold: 18.9 }))).toMatchObject({ low: 12, high: 20, from: NOW_MS, to: NOW_MS + 2 * MINUTE_MS });
    expect(curvePicture(curve([0.3, 7.4]))).toMatchObject({ low: 0, high: 8 });
    expect(curvePicture(curve([229, 231, 206]))).toMatchObject({ low: 200, high: 240 });
    expect(curvePicture(curve([5, 5, 5]))).toMatchObject({ low: 4, high: 6 });
    expect(curvePicture(curve([10, 10]))).toMatchObject({ low: 7.5, high: 12.5 });
    expect(curvePicture(curve([0, 0]))).toMatchObject({ low: 0 });
    expect(curvePicture(curve([-3, -1, 2]))).toMatchObject({ low: -4, high: 4 });
  });

  it('has room for the limit and the band, also where the curve is far from them', () => {
    expect(curvePicture(curve([1, 2], { threshold: 90 }))!.high).toBeGreaterThanOrEqual(90);
    expect(curvePicture(curve([50, 52], { band: [{ at: NOW_MS, low: 10, high: 20 }, { at: NOW_MS + MINUTE_MS, low: 10, high: 70 }] }))).toMatchObject({ low: 0, high: 80 });
  });

  it('is shaded red where it is above the limit, blue below, and clear above the curve', () => {
    // 0 to 20, limit in the middle: low in the left half, high in the right.
    const { at } = pixels(curve([5, 5, 15, 15], { threshold: 10, points: [5, 5, 15, 15].map((value, i) => ({ at: NOW_MS + [0, 50, 51, 100][i] * MINUTE_MS, value })) }));
    const { low, high } = curvePicture(curve([5, 5, 15, 15], { threshold: 10 }))!;
    const y = (value: number) => 1 - (value - low) / (high - low);
    expect(isRed(at(0.75, y(12.1)))).toBe(true);
    expect(isBlue(at(0.75, y(8.1)))).toBe(true);
    expect(isBlue(at(0.25, y(3.1)))).toBe(true);
    expect(at(0.25, y(8.1))[3]).toBe(0);
    expect(at(0.75, y(17.1))[3]).toBe(0);
  });

  it('has nothing where there is a gap', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i > 30 && i < 70 ? null : 10));
    const { at } = pixels(curve(values));
    const { low, high } = curvePicture(curve(values))!;
    const y = 1 - (10 - low) / (high - low) + 0.1;
    expect([isBlue(at(0.15, y)), at(0.5, y)[3], isBlue(at(0.85, y))]).toEqual([true, 0, true]);
  });

  it('is small, however many points and however wild', () => {
    let state = 1;
    const wild = Array.from({ length: 100_000 }, () => (state = (state * 48_271) % 2_147_483_647) % 1_000);
    expect(curvePicture(curve(wild.slice(0, 360), { threshold: 700 }))!.png.length).toBeLessThan(PNG_BYTES_MAX);
    expect(curvePicture(curve(wild, { threshold: 700 }))!.png.length).toBeLessThan(PNG_BYTES_MAX);
  });

  it('keeps a peak of a single point among thousands', () => {
    const values: number[] = Array.from({ length: 50_000 }, () => 1);
    values[25_000] = 9;
    const { at } = pixels(curve(values, { threshold: 8 }));
    const { low, high } = curvePicture(curve(values, { threshold: 8 }))!;
    const y = 1 - (6.1 - low) / (high - low);
    const near = Array.from({ length: 9 }, (_, i) => at(0.5 + (i - 4) / (2 * PICTURE_WIDTH), y));
    expect(near.some(isBlue)).toBe(true);
  });

  it('ends at its newest point, also of thousands', () => {
    const values: number[] = Array.from({ length: 50_000 }, () => 1);
    values[49_999] = 9;
    const { at } = pixels(curve(values));
    const { low, high } = curvePicture(curve(values))!;
    const y = 1 - (8.9 - low) / (high - low);
    expect(isBlue(at(1 - 3 / PICTURE_WIDTH, y))).toBe(true);
    const below = 1 - (5.1 - low) / (high - low);
    expect(Array.from({ length: 4 }, (_, i) => at(1 - i / (2 * PICTURE_WIDTH), below)).some(isBlue)).toBe(true);
  });

  it('is none of fewer than two points, or of points without time or number', () => {
    expect(curvePicture(curve([]))).toBeNull();
    expect(curvePicture(curve([1]))).toBeNull();
    expect(curvePicture(curve([1, null, NaN, Infinity]))).toBeNull();
    expect(curvePicture(curve([1, 2], { points: [{ at: 5, value: 1 }, { at: 5, value: 2 }] }))).toBeNull();
  });

  it('of the same data is drawn once', () => {
    const data = curve([1, 2]);
    expect(curvePicture(data)).toBe(curvePicture(data));
  });
});
