import type { Browser, BrowserContext, Page } from 'playwright-core';
import { Temporal } from 'temporal-polyfill';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { axeFindings } from '../support/axe-findings.ts';
import { complaintsOf, launchChromium, layoutFaults, sidewaysOverflow } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { HOME_METER, startShowcase, type Showcase } from '../support/dashboard-showcase.ts';
import { FakeAccountApi, type FakeProfile } from '../support/fake-account-api.ts';

/** The way in, and who sees what. */

chromiumSuite(() => {
  let browser: Browser;
  let showcase: Showcase;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    [browser, showcase] = await Promise.all([launchChromium(), startShowcase(Date.now())]);
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), showcase?.server.close()]);
  });
  afterEach(() => context?.close());

  async function openPage(accounts: FakeAccountApi, path = '', colorScheme: 'dark' | 'light' = 'dark'): Promise<void> {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme, timezoneId: 'Europe/Berlin', locale: 'en-GB' });
    page = await context.newPage();
    complaints = complaintsOf(page);
    await accounts.install(page);
    await page.goto(`http://127.0.0.1:${showcase.server.port}/${path}`);
  }

  async function signIn(password = 'a long pass phrase'): Promise<void> {
    await page.getByLabel('E-mail').first().fill('ada@example.org');
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
  }

  const dayAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const consumer: Partial<FakeProfile> = { role: 'consumer', meters: [HOME_METER, 'meter-0203'], regions: [] };

  test.each(['dark', 'light'] as const)('axe finds nothing on the way in, and it fits a phone, %s', async (colorScheme) => {
    await openPage(new FakeAccountApi({}), '', colorScheme);
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    for (const folded = page.locator('details:not([open]) > summary'); (await folded.count()) > 0; ) await folded.first().click();
    expect(await axeFindings(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await sidewaysOverflow(page)).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('a wrong password is said, a right one leads in, a reload stays in, and signing out leads out', async () => {
    const accounts = new FakeAccountApi({});
    await openPage(accounts, '#bills');
    // Nobody was signed in on this browser, so nobody asks for a new token.
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(accounts.asked).toEqual([]);
    expect(await page.evaluate('document.activeElement.name')).toBe('email');
    await signIn('wrong');
    await page.getByText('The address or the password is wrong.').waitFor();
    expect(await page.evaluate('document.activeElement.name')).toBe('password');
    await signIn();
    // To where the link led.
    await page.getByRole('link', { name: 'INV-2026-000042' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(accounts.tickets).toBe(1);
    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).not.toContain('token-1');

    await page.reload();
    await page.getByRole('link', { name: 'INV-2026-000042' }).waitFor();
    // The token ends while the page is open: the next question brings another.
    accounts.token = 'token-2';
    await page.getByRole('link', { name: 'INV-2026-000042' }).click();
    await page.getByRole('heading', { name: 'INV-2026-000042' }).waitFor();

    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(complaints.filter((text) => !/401/.test(text))).toEqual([]);
  });

  test('a session that has ended elsewhere leads out, and says so', async () => {
    const accounts = new FakeAccountApi({});
    // A page that asks for nothing by itself.
    await openPage(accounts, '#tariffs');
    await signIn();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.locator('.calendar').first().waitFor();
    accounts.token = 'token-2';
    accounts.hasCookie = false;
    await page.getByRole('link', { name: 'Bills' }).click();
    await page.getByText('Your session has ended. Sign in again.').waitFor();
  });

  test('a one-time password is replaced before anything is seen', async () => {
    const accounts = new FakeAccountApi({}, 'one-time-secret');
    accounts.isOneTime = true;
    await openPage(accounts);
    await signIn('one-time-secret');
    await page.getByRole('heading', { name: 'A password of your own' }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByLabel('Password until now').fill('one-time-secret');
    await page.getByLabel('New password').fill('four words are easy');
    await page.getByLabel('Once more').fill('four words are hard');
    await page.keyboard.press('Enter');
    await page.getByText('The two are not the same.').waitFor();
    await page.getByLabel('Once more').fill('four words are easy');
    await page.keyboard.press('Enter');
    await page.getByText('Live', { exact: true }).waitFor();
    expect(accounts.password).toBe('four words are easy');
  });

  test('a consumer sees their own meters and no page of operators', async () => {
    const accounts = new FakeAccountApi(consumer);
    await openPage(accounts, '#engine');
    await signIn();
    await page.getByText('€71.42').first().waitFor();
    expect(await page.locator('.page-nav a').allInnerTexts()).toEqual(['Home', 'Account']);
    await page.getByLabel('Meter').selectOption('meter-0203');
    await expect.poll(() => page.evaluate('location.hash')).toBe('#home/meter-0203');
    await page.getByLabel('Meter').selectOption(HOME_METER);
    await page.getByRole('link', { name: 'INV-2026-000042' }).click();
    await page.locator('.lines tbody tr').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByRole('link', { name: '← All bills' }).click();
    await page.getByRole('heading', { name: 'Your home' }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('a consumer finds the use and the bills of a meter that they had before, and from when to when', async () => {
    const now = Temporal.Now.zonedDateTimeISO('Europe/Berlin');
    const movedIn = now.subtract({ months: 18 }).with({ day: 1 }).startOfDay();
    const assignments = [
      { meterId: 'meter-0203', from: null, until: null },
      { meterId: HOME_METER, from: movedIn.toInstant().toString(), until: dayAgo(20) },
      { meterId: 'meter-0305', from: dayAgo(-3), until: null },
    ];
    await openPage(new FakeAccountApi({ ...consumer, meters: ['meter-0203'], assignments }), '#home');
    await signIn();
    // Of now first; what is to come is not there.
    await page.locator('.area-months tbody tr').first().waitFor();
    const options = await page.getByLabel('Meter').locator('option').allInnerTexts();
    expect(options).toEqual(['meter-0203', expect.stringMatching(new RegExp(`^${HOME_METER}, until \\d+ \\w+ 20\\d\\d$`))]);
    await page.getByLabel('Meter').selectOption(HOME_METER);
    await page.getByRole('heading', { name: 'Your home before' }).waitFor();
    await page.getByText(new RegExp(`^Yours from 1 \\w+ ${movedIn.year} to \\d+ \\w+ 20\\d\\d, \\d\\d:\\d\\d\\.`)).waitFor();
    const months = page.locator('.area-months tbody tr');
    await expect.poll(() => months.count()).toBe(12);
    expect(await months.first().innerText()).toMatch(/^\w+ 20\d\d[\s\S]*\d kWh/);
    await months.nth(1).getByRole('button').click();
    await page.locator('.area-months .day-bars rect').first().waitFor();
    expect(await page.locator('.area-months .day-bars rect').count()).toBeGreaterThan(27);
    await page.getByRole('button', { name: 'Earlier' }).click();
    await expect.poll(() => months.last().innerText()).toMatch(new RegExp(`^[A-Z]\\w+ ${now.subtract({ milliseconds: showcase.grid.energyMs }).year}`));
    expect(await page.getByRole('button', { name: 'Earlier' }).isDisabled()).toBe(true);
    // Nothing of now, of a meter that somebody else has.
    expect(await page.locator('.area-cost, .area-compare, .area-now .curve').count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect([await sidewaysOverflow(page), await layoutFaults(page)]).toEqual([0, []]);
    await page.getByRole('link', { name: 'INV-2026-000042' }).click();
    await page.locator('.lines tbody tr').first().waitFor();
    await page.getByRole('link', { name: '← All bills' }).click();
    await page.getByRole('heading', { name: 'Your home before' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('a consumer without a meter is told who assigns one', async () => {
    await openPage(new FakeAccountApi({ role: 'consumer', meters: [], regions: [] }));
    await signIn();
    await page.getByText('No meter belongs to your account yet.').waitFor();
  });

  test('whoever is signed in is the author: no name is asked for', async () => {
    await openPage(new FakeAccountApi({}));
    await signIn();
    await page.locator('.area-alerts .alert').first().click();
    await page.locator('.alert-detail').getByRole('button', { name: 'Acknowledge' }).waitFor();
    expect(await page.getByLabel('Your name').count()).toBe(0);
  });

  test('an admin sees whose a meter is, gives it to somebody for a time, and takes it away', async () => {
    const accounts = new FakeAccountApi({});
    accounts.people = [{ id: 'u2', email: 'bob@example.org', name: 'Bob', disabled: false, assignments: [{ meterId: 'meter-0104', from: null, until: '2026-06-30T22:00:00Z' }, { meterId: 'meter-0999', from: null, until: null }] }];
    await openPage(accounts, '#registry/meter-0104');
    await signIn();
    await page.locator('.area-opened .rows', { hasText: /Bob bob@example\.org\s*until 30 Jun 2026$/ }).waitFor();
    await page.getByText('Give it to somebody').click();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Give' }).click();
    await page.getByText('Say whose').waitFor();
    await page.getByLabel('Address of the account').fill('nobody@example.org');
    await page.getByRole('button', { name: 'Give' }).click();
    await page.getByText('There is no account of this address.').waitFor();
    await page.getByLabel('Address of the account').fill('bob@example.org');
    await page.getByLabel('From').fill('2026-10-01');
    await page.getByLabel('Last day').fill('2026-12-31');
    await page.getByRole('button', { name: 'Give' }).click();
    await page.getByText('Given.').waitFor();
    await page.getByLabel('Address of the account').fill('bob@example.org');
    await page.getByRole('button', { name: 'Take away' }).click();
    await page.getByText('Taken away.').waitFor();
    expect(accounts.assigned).toEqual([
      { user: 'nobody@example.org', meters: ['meter-0104'], assigned: true, from: null, until: null },
      { user: 'bob@example.org', meters: ['meter-0104'], assigned: true, from: '2026-09-30T22:00:00.000Z', until: '2026-12-31T23:00:00.000Z' },
      { user: 'bob@example.org', meters: ['meter-0104'], assigned: false, from: null, until: null },
    ]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await sidewaysOverflow(page)).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('an operator changes entries, and sees nothing of accounts', async () => {
    await openPage(new FakeAccountApi({ role: 'operator', regions: ['region-01'] }), '#registry/meter-0104');
    await signIn();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('button', { name: 'Save' }).waitFor();
    expect([await page.getByText('Whose it is').count(), await page.getByLabel('Your name').count()]).toEqual([0, 0]);
    expect(complaints).toEqual([]);
  });

  test('preferences are kept with the account', async () => {
    const accounts = new FakeAccountApi({});
    await openPage(accounts, '#account');
    await signIn();
    await page.getByLabel('Colours').selectOption('Light');
    await expect.poll(() => accounts.profile.preferences.theme).toBe('light');
    await page.getByLabel('Language of bills').selectOption('Deutsch');
    await expect.poll(() => accounts.profile.preferences.locale).toBe('de');
    await page.getByText('this one').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      expect([width, await sidewaysOverflow(page), await layoutFaults(page)]).toEqual([width, 0, []]);
    }
    expect(complaints).toEqual([]);
  });

  test('a consumer who will have a meter is told from when on, and one who had one sees it at once', async () => {
    await openPage(new FakeAccountApi({ role: 'consumer', meters: [], regions: [], assignments: [{ meterId: 'meter-0305', from: '2099-02-28T23:00:00Z', until: null }] }));
    await signIn();
    await page.getByText('Meter meter-0305 will be yours from 1 Mar 2099 on.').waitFor();
    await context.close();
    await openPage(new FakeAccountApi({ role: 'consumer', meters: [], regions: [], assignments: [{ meterId: HOME_METER, from: null, until: '2026-01-15T13:00:00Z' }] }));
    await signIn();
    await page.getByText('Yours until 15 Jan 2026, 14:00.').waitFor();
    await page.getByRole('link', { name: 'INV-2026-000042' }).waitFor();
  });

  test.each([
    ['reset', 'Choose another password'],
    ['verify', 'Choose a password'],
  ])('a link by mail leads to a new password (%s)', async (kind, title) => {
    await openPage(new FakeAccountApi({}), `#${kind}/secret-of-the-mail`);
    await page.getByRole('heading', { name: title }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
  });
});
