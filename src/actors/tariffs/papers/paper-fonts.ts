import { createRequire } from 'node:module';
import { openSync, type Font } from 'fontkit';

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
  return Object.fromEntries(Object.entries(FILES).map(([name, file]) => [name, openSync(resolve(file))])) as unknown as PaperFonts;
}
