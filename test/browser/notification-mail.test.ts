import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { renderMessage } from '../../src/actors/notifications/templates/render-message.ts';
import { sampleCurve } from '../../src/actors/notifications/templates/sample-notices.ts';
import type { Notice } from '../../src/model/notice.ts';
import { complaintsOf, launchChromium, sidewaysOverflow } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { aContext, ANNA, aNotice, aNoticeAlert, anOutage, JOHN, NOTICE_NOW_MS } from '../support/notices.ts';

/** WCAG 2 AA of text of ordinary size. */
const CONTRAST_MIN = 4.5;

const HOSTILE = '<img src=x onerror="document.title=\'broken into\'"><script>document.title="broken into"</script>';
const MAILS: Record<string, Notice[]> = {
  'one alert': [aNotice([aNoticeAlert()], { recipients: ['c-anna'] })],
  'many alerts': [aNotice(Array.from({ length: 20 }, (_, i) => anOutage(`meter-${i}`)), { alertCount: 300, resolvedCount: 7 })],
  digest: [aNotice([anOutage('m-1')]), aNotice([aNoticeAlert({ state: 'resolved', resolvedAt: NOTICE_NOW_MS })], { id: 'b/1', group: 'b', reason: 'resolved' }), aNotice([aNoticeAlert()], { id: 'c/1', group: 'c', reason: 'escalated' })],
  'hostile titles': [aNotice([aNoticeAlert({ title: HOSTILE, description: `${HOSTILE}${'x'.repeat(400)}` }), anOutage('m'.repeat(64), { title: 'W'.repeat(160) })])],
};

chromiumSuite(() => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  async function open(notices: Notice[], { width, scheme }: { width: number; scheme: 'light' | 'dark' }): Promise<{ page: Page; complaints: string[]; requests: string[] }> {
    const message = renderMessage(notices, notices[0].recipients.length > 0 ? ANNA : JOHN, 'email', aContext({ curve: sampleCurve('CRITICAL', NOTICE_NOW_MS) }));
    const [picture] = message.pictures;
    const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 700 } });
    const complaints = complaintsOf(page);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url().slice(0, 5)));
    await page.setContent(message.html!.replace(`cid:${picture.cid}`, `data:image/png;base64,${Buffer.from(picture.png).toString('base64')}`));
    return { page, complaints, requests };
  }

  it.each(Object.keys(MAILS).flatMap((name) => [320, 800].flatMap((width) => (['light', 'dark'] as const).map((scheme) => [name, width, scheme] as const))))('shows a mail of %s at %d px, %s', async (name, width, scheme) => {
    const { page, complaints, requests } = await open(MAILS[name], { width, scheme });
    expect(await sidewaysOverflow(page)).toBe(0);
    expect(complaints).toEqual([]);
    // Its own picture; nothing from anywhere else.
    expect(requests.filter((url) => url !== 'data:')).toEqual([]);
    expect(await page.title()).not.toBe('broken into');
    expect(await page.locator('img').count()).toBe(1);
    expect(await page.locator('script').count()).toBe(0);
    expect(await leastContrast(page)).toBeGreaterThanOrEqual(CONTRAST_MIN);
    await page.close();
  });

  it('lets the picture fill its column, with the figures beside its edges', async () => {
    const { page } = await open(MAILS['one alert'], { width: 800, scheme: 'light' });
    const picture = (await page.locator('img').boundingBox())!;
    const label = (text: string) => page.locator('td.muted', { hasText: text }).last().boundingBox();
    expect(picture.width).toBeGreaterThan(450);
    expect(Math.abs((await label('22'))!.y - picture.y)).toBeLessThan(2);
    expect((await label('12'))!.x + (await label('12'))!.width).toBeLessThanOrEqual(picture.x);
    const end = (await label('14:36'))!;
    expect(Math.abs(end.x + end.width - (picture.x + picture.width))).toBeLessThan(2);
    await page.close();
  });
});

/** Of all words on the page against the nearest ground that is painted. */
function leastContrast(page: Page): Promise<number> {
  return page.evaluate(`(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color.length === 3 || color[3] > 0) return color;
      }
      return [255, 255, 255];
    };
    const worded = [...document.body.querySelectorAll('*')].filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''));
    return Math.min(...worded.map((element) => {
      const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    }));
  })()`);
}
