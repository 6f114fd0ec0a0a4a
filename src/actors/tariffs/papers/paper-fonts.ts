import { createRequire } from 'node:module';
import { openSync, type Font, type GlyphRun } from 'fontkit';

/**
 * Letters that papers are printed with: Source Sans 3 (Latin, Greek, Cyrillic, Vietnamese), and DejaVu Sans for what it has not (Arabic, Hebrew, Armenian, Georgian, symbols). What neither has, as Chinese,
 * Japanese or Indian scripts, is printed as a box. Fonts are parsed once a thread (60 ms), documents embed the letters they use.
 */
export interface PaperFonts {
  regular: Font;
  bold: Font;
  otherRegular: Font;
  otherBold: Font;
}

export type FontName = keyof PaperFonts;

const FILES: Readonly<Record<FontName, string>> = {
  regular: '@expo-google-fonts/source-sans-3/400Regular/SourceSans3_400Regular.ttf',
  bold: '@expo-google-fonts/source-sans-3/600SemiBold/SourceSans3_600SemiBold.ttf',
  otherRegular: 'dejavu-fonts-ttf/ttf/DejaVuSansCondensed.ttf',
  otherBold: 'dejavu-fonts-ttf/ttf/DejaVuSansCondensed-Bold.ttf',
};

export function loadPaperFonts(): PaperFonts {
  const { resolve } = createRequire(import.meta.url);
  return Object.fromEntries(Object.entries(FILES).map(([name, file]) => [name, withLayoutsKept(openSync(resolve(file)) as Font)])) as unknown as PaperFonts;
}

/** The words of all papers and the amounts of some; about 2 KB each. */
const LAYOUTS_KEPT_MAX = 3_000;

/**
 * The font, whose layouts (which letter goes where, with kerning and ligatures) are kept from one document to the next: papers say the same words, and laying them out took half of the time of a
 * document. Gives copies of positions, as pdfkit scales those it gets.
 */
function withLayoutsKept(font: Font): Font {
  const kept = new Map<string, GlyphRun>();
  return Object.assign(Object.create(font) as Font, {
    layout(text: string, features?: string[]): Pick<GlyphRun, 'glyphs' | 'positions' | 'advanceWidth'> {
      const key = `${features?.join() ?? '-'} ${text}`;
      let run = kept.get(key);
      if (run === undefined) {
        run = font.layout(text, features);
        if (kept.size >= LAYOUTS_KEPT_MAX) kept.clear();
        kept.set(key, run);
      }
      const positions = run.positions.map((position) => ({ ...position }));
      return {
        glyphs: run.glyphs,
        positions,
        get advanceWidth() {
          return positions.reduce((sum, { xAdvance }) => sum + xAdvance, 0);
        },
      };
    },
  });
}
