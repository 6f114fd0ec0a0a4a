import { fileURLToPath } from 'node:url';
import { launchChromium } from '../support/chromium-browser.ts';
import { HOME_METER, startShowcase } from '../support/dashboard-showcase.ts';
import { FakeAccountApi } from '../support/fake-account-api.ts';

/** `npm run screenshots`: takes the pictures of the README anew, of the showcase. */

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
/** A working day's early afternoon, so that pictures differ by what changed alone. */
const AT_MS = Date.parse('2026-07-15T12:24:30Z');

const SHOTS = [
  { file: 'dashboard.png', path: '', width: 1440, height: 900, colorScheme: 'dark', awaits: '.ahead-at' },
  { file: 'dashboard-meter.png', path: '#/region-08/meter-0807', width: 1440, height: 900, colorScheme: 'light', awaits: '.area-detail canvas', of: '.area-detail' },
  { file: 'dashboard-tariff.png', path: '#tariffs/time-of-use', width: 1280, height: 720, colorScheme: 'light', awaits: '.calendar' },
  { file: 'dashboard-bill.png', path: '#bills/i-0', width: 1280, height: 860, colorScheme: 'dark', awaits: '.lines' },
  { file: 'dashboard-home.png', path: `#home/${HOME_METER}`, width: 1280, height: 760, colorScheme: 'light', awaits: '.area-compare table', isConsumer: true },
  { file: 'dashboard-phone.png', path: `#home/${HOME_METER}`, width: 360, height: 740, colorScheme: 'dark', awaits: '.area-compare table', isConsumer: true },
] as const;

const showcase = await startShowcase(AT_MS);
const browser = await launchChromium();
try {
  for (const shot of SHOTS) {
    const { file, path, width, height, colorScheme, awaits } = shot;
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId: 'Europe/Berlin', locale: 'en-GB', reducedMotion: 'reduce' });
    await page.clock.setFixedTime(AT_MS);
    if ('isConsumer' in shot) {
      const accounts = new FakeAccountApi({ role: 'consumer', meters: [HOME_METER], regions: [] });
      accounts.hasCookie = true;
      await accounts.install(page);
      await page.addInitScript("localStorage.setItem('seg.signed-in', 'yes')");
    }
    await page.goto(`http://127.0.0.1:${showcase.server.port}/${path}`);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.locator(awaits).first().waitFor();
    await page.waitForFunction('document.querySelectorAll(".loading").length === 0 && document.fonts.ready');
    const to = `${DOCS}${file}`;
    await ('of' in shot ? page.locator(shot.of).screenshot({ path: to }) : page.screenshot({ path: to }));
    await page.close();
  }
} finally {
  await browser.close();
  await showcase.server.close();
}
process.exit(0);
