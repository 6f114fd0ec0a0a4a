import type { Locator } from 'playwright-core';

/** The line of a curve as it is drawn, read from the picture itself: what a page computes and does not draw would pass any other test. */

/** Colours differ by so much at the edges of a line, of 3 × 255. */
const COLOR_TOLERANCE = 90;
/** Of 255: a thin line between two rows of pixels has half of its colour in each, the area below it a tenth. */
const OPAQUE_MIN = 100;

/** By column of the canvas from left to right how high the line is there, 1 at the upper edge; null where there is none. `color`: the CSS variable that it is drawn in. */
export async function drawnLine(canvas: Locator, color: string): Promise<(number | null)[]> {
  return canvas.evaluate(
    (element, { name, tolerance, opaque }) => {
      const picture = element as any;
      const { width, height } = picture;
      const { document, getComputedStyle } = globalThis as any;
      // Of a copy, which the browser expects to be read.
      const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d', { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(context.fillStyle.slice(at, at + 2), 16));
      const { data } = context.getImageData(0, 0, width, height);
      return Array.from({ length: width }, (_, x) => {
        for (let y = 0; y < height; y++) {
          const at = 4 * (y * width + x);
          if (data[at + 3] > opaque && Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < tolerance) return 1 - y / height;
        }
        return null;
      });
    },
    { name: color, tolerance: COLOR_TOLERANCE, opaque: OPAQUE_MIN },
  );
}

/** The highest place of a part of the line, of its width from `from` to `to`; null where there is none. */
export function highest(line: readonly (number | null)[], from: number, to: number): number | null {
  const part = line.slice(Math.floor(from * line.length), Math.ceil(to * line.length)).filter((height) => height !== null);
  return part.length === 0 ? null : Math.max(...part);
}
