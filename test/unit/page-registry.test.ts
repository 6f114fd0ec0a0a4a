import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registeredMeterShape } from '../../src/http/registry-fields.ts';
import { REGISTERED } from '../support/fake-registry.ts';
import { pageOf, refusal, SmallPage, type Asked } from '../support/small-page.ts';

/** The registry of meters as a page shows and changes it. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { RegistryPage } = await web('registry/registry-page.js');
const { EntryPeople } = await web('registry/entry-people.js');
const { MeterPlace, RegistryBrief } = await web('registry/registry-entry.js');
const { emptyState } = await web('grid-state.js');
const { signIn, signOut, startSession } = await web('account/session.js');

const NOW = Date.parse('2026-07-15T12:00:00Z');
const ENTRY = registeredMeterShape(REGISTERED, '2026-07-15');
const ONE = `/registry/meters/${encodeURIComponent(ENTRY.meterId)}`;
let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
  page.answers = { '/registry/meters': pageOf(ENTRY), [ONE]: ENTRY };
});
afterEach(async () => {
  await signOut();
  await page.close();
});

const show = (meterId: string | null = ENTRY.meterId) => page.show(html`<${RegistryPage} state=${emptyState} meterId=${meterId} nowMs=${NOW} />`);

async function edit(fields: Record<string, string>) {
  const shown = await show();
  await shown.button('Edit').press();
  await shown.one('[name=by]').enter('Otto');
  for (const [name, value] of Object.entries(fields)) await shown.one(`[name=${name}]`).enter(value);
  return shown;
}

describe('the registry', () => {
  test('shows an entry with its units, and leads to what the meter measures', async () => {
    const shown = await show();
    expect(Object.fromEntries(shown.all('.facts div').map((fact) => [fact.one('dt').words, fact.one('dd').words]))).toMatchObject({
      'Serial number': 'LG-4711', Make: 'Landis E450', Address: 'Hauptstraße 1, 50667 Köln, DE', Place: '50.94000, 6.96000', 'Rated power': expect.stringMatching(/^14\.5 kW$/), 'Should send': 'every 15 min', Version: expect.stringMatching(/^4 by ada@example\.org/),
    });
    expect(shown.button('What it measures').getAttribute('href')).toBe(`#/${ENTRY.region}/${encodeURIComponent(ENTRY.meterId)}`);
    expect(shown.all('.registry tbody tr').map((row) => [row.getAttribute('aria-current'), row.words])).toEqual([['true', 'meter:1 LG-4711 Hauptstraße 1 50667 Köln residential north Installed']]);
  });

  test('has no entry of an id that only begins like one', async () => {
    expect((await show('meter')).words).toContain('The registry has no meter of this id.');
  });

  test('is filtered by what people know', async () => {
    const shown = await show(null);
    shown.one('[name=q]').value = ' KOLN ';
    await shown.one('form').fire('submit');
    await shown.all('select')[1].choose('planned');
    expect(page.asked.at(-1)!.query).toEqual({ q: 'KOLN', status: 'planned', limit: '50' });
  });

  test('is changed at the version that was seen, by what is different', async () => {
    page.answers[`PATCH ${ONE}`] = ({ body }: Asked) => ({ ...ENTRY, ...(body as object), version: 5 });
    const shown = await edit({ ratedPowerKw: '17,3' });
    await shown.one('.entry-form').fire('submit');
    expect(page.asked.find(({ method }) => method === 'PATCH')).toMatchObject({ path: ONE, query: { by: 'Otto' }, body: { ratedPowerKw: 17.3 }, headers: { 'if-match': '"4"' } });
    expect([shown.all('.entry-form').length, shown.words]).toEqual([0, expect.stringContaining('Saved as version 5.')]);
    // The list beside it is asked for anew.
    expect(page.asked.at(-1)).toMatchObject({ method: 'GET', path: '/registry/meters', query: { limit: '50' } });
  });

  test('says at a field what is wrong with it, and nothing is sent that cannot be', async () => {
    const shown = await edit({ ratedPowerKw: 'much' });
    await shown.one('.entry-form').fire('submit');
    expect(shown.one('.hint').words).toBe('expected a number');
    expect([page.asked.some(({ method }) => method === 'PATCH'), shown.one('[name=ratedPowerKw]').getAttribute('aria-invalid')]).toEqual([false, 'true']);
    page.answers[`PATCH ${ONE}`] = refusal(422, 'invalid_body', 'Faults.', { faults: [{ path: 'address.country', message: 'expected a country' }] });
    await shown.one('[name=ratedPowerKw]').enter('17');
    await shown.one('.entry-form').fire('submit');
    expect([shown.all('.hint').map((hint) => hint.words), shown.one('.said').words]).toEqual([['expected a country'], 'Not saved: some of it cannot be.']);
    page.answers[`PATCH ${ONE}`] = refusal(409, 'serial_taken', 'LG-1 is the serial number of another.');
    await shown.one('.entry-form').fire('submit');
    expect(shown.all('.entry-form div').find((field) => field.words.startsWith('Serial number'))!.one('.hint').words).toBe('LG-1 is the serial number of another.');
    page.answers[`PATCH ${ONE}`] = refusal(503, 'unavailable', 'Later.');
    await shown.one('.entry-form').fire('submit');
    expect([shown.all('.hint').length, shown.one('.said').words]).toEqual([0, 'Later.']);
  });

  test('takes over what somebody else has changed meanwhile, and saves over that when it is wished again', async () => {
    const newer = { ...ENTRY, model: 'E350', ratedPowerKw: 20, version: 5, updatedBy: 'Ada' };
    page.answers[`PATCH ${ONE}`] = ({ headers, body }: Asked) => (headers['if-match'] === '"5"' ? { ...newer, ...(body as object), version: 6 } : refusal(409, 'stale_version', 'It has changed.'));
    page.answers[ONE] = newer;
    const shown = await edit({ ratedPowerKw: '17,3' });
    await shown.one('.entry-form').fire('submit');
    expect(shown.one('.said').words).toMatch(/^Ada has changed this entry meanwhile \(version 5\)/);
    expect([shown.one('[name=model]').value, shown.one('[name=ratedPowerKw]').value, shown.one('.hint').words]).toEqual(['E350', '17,3', 'Now 20.']);
    await shown.one('.entry-form').fire('submit');
    expect(page.asked.filter(({ method }) => method === 'PATCH').at(-1)).toMatchObject({ body: { ratedPowerKw: 17.3 }, headers: { 'if-match': '"5"' } });
    expect(shown.words).toContain('Saved as version 6.');
  });

  test('is left as it was by Escape, and by saving nothing', async () => {
    const shown = await edit({});
    await shown.one('.entry-form').fire('submit');
    expect(shown.one('.said').words).toBe('Nothing is different.');
    await shown.one('.entry-form').fire('keydown', { key: 'a' });
    expect(shown.all('.entry-form')).toHaveLength(1);
    await shown.one('.entry-form').fire('keydown', { key: 'Escape' });
    expect(shown.all('.entry-form')).toHaveLength(0);
  });

  test.each([
    ['admin', 1],
    ['operator', 0],
  ])('shows whose a meter is to an admin: %s', async (role, count) => {
    page.answers = { ...page.answers, '/auth/settings': { accounts: 'on' }, '/auth/login': { accessToken: 't', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), user: { id: 'u', role } }, '/users': pageOf() };
    await startSession();
    await signIn('a@b.c', 'x');
    const shown = await show();
    expect(shown.words.split('Whose it is')).toHaveLength(count + 1);
    await shown.button('Edit').press();
    expect(shown.all('[name=by]')).toEqual([]);
  });

  test('stands in a few words beside what a meter measures, and on the page of its household', async () => {
    expect((await page.show(html`<${RegistryBrief} meterId=${ENTRY.meterId} />`)).words).toMatch(/Serial number LG-4711 .*Class residential .*Installed .*2020$/);
    page.answers['/me/meters'] = pageOf({ meterId: 'm', registry: { serial: 'S-1', customerClass: 'x', address: { street: null, postalCode: null, city: 'Bonn', country: null }, installedOn: null } }, { meterId: 'gone', registry: null });
    expect((await page.show(html`<${MeterPlace} meterId="m" isConsumer />`)).words).toBe('Bonn · meter no. S-1');
    expect((await page.show(html`<${MeterPlace} meterId="gone" isConsumer />`)).words).toBe('');
  });
});

describe('whose a meter is', () => {
  const bob = { id: 'u2', email: 'bob@example.org', name: 'Bob', disabled: true, assignments: [{ meterId: 'm', from: null, until: new Date(2026, 5, 30, 14).toISOString() }, { meterId: 'other', from: null, until: null }] };
  const show = () => page.show(html`<${EntryPeople} meterId="m" nowMs=${NOW} />`);

  test('is listed with the times of this meter alone', async () => {
    page.answers = { '/users': pageOf(bob, { ...bob, id: 'u3', name: 'Carla', disabled: false, assignments: [{ meterId: 'm', from: null, until: null }] }) };
    const shown = await show();
    expect(page.asked[0].query).toEqual({ meterId: 'm', limit: '100' });
    expect(shown.all('li').map((row) => [row.words, row.classes])).toEqual([[expect.stringMatching(/^Bob bob@example\.org disabled ?until 30 Jun 2026, 14:00$/), ['past']], [expect.stringMatching(/^Carla .*always$/), []]]);
  });

  test('is given and taken, each by its button', async () => {
    page.answers = { '/users': pageOf(), '/meter-assignments': pageOf({ outcome: 'assigned' }) };
    const shown = await show();
    expect(shown.words).toContain('Nobody’s');
    const submit = async (value: string) => {
      shown.one('[name=user]').value = 'bob@example.org';
      shown.one('[name=last]').value = '2026-12-31';
      await shown.one('form').fire('submit', { submitter: { value } });
      return (page.asked.filter(({ path }) => path === '/meter-assignments').at(-1)!.body as { assignments: unknown[] }).assignments[0];
    };
    expect(await submit('give')).toEqual({ user: 'bob@example.org', meters: ['m'], assigned: true, from: null, until: new Date(2027, 0, 1).toISOString() });
    expect(shown.one('.said').words).toBe('Given.');
    expect(await submit('take')).toMatchObject({ assigned: false });
    page.answers['/meter-assignments'] = pageOf({ outcome: 'unknown_user' });
    await submit('give');
    expect([shown.one('.said').words, shown.one('.said').classes.includes('error'), shown.one('[name=user]').value]).toEqual(['There is no account of this address.', true, 'bob@example.org']);
  });
});
