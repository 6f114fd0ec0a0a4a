import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registeredMeterShape } from '../../src/http/registry-fields.ts';
import { REGISTERED } from '../support/fake-registry.ts';
import { pageOf, refusal, SmallPage, type Asked, type SmallElement } from '../support/small-page.ts';

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

const asked = (method: string) => page.asked.filter((one) => one.method === method);
const hash = () => (globalThis as unknown as { location: { hash: string } }).location.hash;

const focusedElement = () => (globalThis as unknown as { document: { activeElement: SmallElement } }).document.activeElement;
const focused = () => focusedElement().getAttribute('name');
const focusedWords = () => focusedElement().words;

async function enterAs(role: string) {
  page.answers = { ...page.answers, '/auth/settings': { accounts: 'on' }, '/auth/login': { accessToken: 't', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), user: { id: 'u', role } }, '/users': pageOf() };
  await startSession();
  await signIn('a@b.c', 'x');
}

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
    expect([shown.all('.hint').map((hint) => hint.words), shown.one('.entry-form .said').words]).toEqual([['expected a country'], 'Not saved: some of it cannot be.']);
    page.answers[`PATCH ${ONE}`] = refusal(409, 'serial_taken', 'LG-1 is the serial number of another.');
    await shown.one('.entry-form').fire('submit');
    expect(shown.all('.entry-form div').find((field) => field.words.startsWith('Serial number'))!.one('.hint').words).toBe('LG-1 is the serial number of another.');
    page.answers[`PATCH ${ONE}`] = refusal(503, 'unavailable', 'Later.');
    await shown.one('.entry-form').fire('submit');
    expect([shown.all('.hint').length, shown.one('.entry-form .said').words]).toEqual([0, 'Later.']);
  });

  test('takes over what somebody else has changed meanwhile, and saves over that when it is wished again', async () => {
    const newer = { ...ENTRY, model: 'E350', ratedPowerKw: 20, version: 5, updatedBy: 'Ada' };
    page.answers[`PATCH ${ONE}`] = ({ headers, body }: Asked) => (headers['if-match'] === '"5"' ? { ...newer, ...(body as object), version: 6 } : refusal(409, 'stale_version', 'It has changed.'));
    page.answers[ONE] = newer;
    const shown = await edit({ ratedPowerKw: '17,3' });
    await shown.one('.entry-form').fire('submit');
    expect(shown.one('.entry-form .said').words).toMatch(/^Ada has changed this entry meanwhile \(version 5\)/);
    expect([shown.one('[name=model]').value, shown.one('[name=ratedPowerKw]').value, shown.one('.hint').words]).toEqual(['E350', '17,3', 'Now 20.']);
    await shown.one('.entry-form').fire('submit');
    expect(page.asked.filter(({ method }) => method === 'PATCH').at(-1)).toMatchObject({ body: { ratedPowerKw: 17.3 }, headers: { 'if-match': '"5"' } });
    expect(shown.words).toContain('Saved as version 6.');
  });

  test('is left as it was by Escape, and by saving nothing', async () => {
    const shown = await edit({});
    await shown.one('.entry-form').fire('submit');
    expect(shown.one('.entry-form .said').words).toBe('Nothing is different.');
    await shown.one('.entry-form').fire('keydown', { key: 'a' });
    expect(shown.all('.entry-form')).toHaveLength(1);
    await shown.one('.entry-form').fire('keydown', { key: 'Escape' });
    expect(shown.all('.entry-form')).toHaveLength(0);
  });

  test.each([
    ['admin', 1],
    ['operator', 0],
  ])('shows whose a meter is to an admin: %s', async (role, count) => {
    await enterAs(role);
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

describe('a new entry', () => {
  const MADE = { ...ENTRY, meterId: 'm-9', version: 1, updatedBy: 'Otto' };
  const fill = async (fields: Record<string, string>, meterId = '*') => {
    const shown = await show(meterId);
    for (const [name, value] of Object.entries({ by: 'Otto', ...fields })) await shown.one(`[name=${name}]`).enter(value);
    return shown;
  };

  test('is made where there is none yet, of what is known, and leads to it', async () => {
    page.answers['PUT /registry/meters/m-9'] = MADE;
    expect((await show(null)).button('New entry').getAttribute('href')).toBe('#registry/*');
    const shown = await fill({ meterId: ' m-9 ', region: 'north', ratedPowerKw: '17,3' });
    await shown.one('.entry-form').fire('submit');
    expect(asked('PUT')).toMatchObject([{ path: '/registry/meters/m-9', query: { by: 'Otto' }, body: { customerClass: 'residential', region: 'north', ratedPowerKw: 17.3 }, headers: { 'if-none-match': '*' } }]);
    expect([Object.keys(asked('PUT')[0].body as object).sort(), asked('PUT')[0].headers['if-match']]).toEqual([['customerClass', 'ratedPowerKw', 'region'], undefined]);
    // The list beside it is asked for anew.
    expect([hash(), page.asked.at(-1)]).toEqual(['#registry/m-9', expect.objectContaining({ method: 'GET', path: '/registry/meters' })]);
    page.answers['/registry/meters'] = pageOf(MADE);
    expect((await show('m-9')).one('.area-opened .buttons .said').words).toBe('Made.');
    // Said once: whoever comes again finds the entry and no news.
    await show(null);
    expect((await show('m-9')).one('.area-opened .buttons .said').words).toBe('');
  });

  test('has an id and a region, and a name of who makes it; nothing is sent without them', async () => {
    const shown = await fill({ by: '', meterId: 'Meter 9' });
    await shown.one('.entry-form').fire('submit');
    expect(shown.all('.hint').map((hint) => hint.words)).toEqual(['expected 1–64 characters of A–Z a–z 0–9 . _ : -', 'a new meter needs a region']);
    expect(focused()).toBe('meterId');
    await shown.one('[name=meterId]').enter('m-9');
    await shown.one('[name=region]').enter('north');
    await shown.one('.entry-form').fire('submit');
    expect([focused(), shown.one('.entry-form .said').words, asked('PUT')]).toEqual(['by', expect.stringContaining('Say who you are'), []]);
  });

  test('does not take the place of one that somebody else has made', async () => {
    page.answers['PUT /registry/meters/m-9'] = refusal(409, 'stale_version', 'The meter is at version 1 by now.');
    const shown = await fill({ meterId: 'm-9', region: 'north' });
    await shown.one('.entry-form').fire('submit');
    expect([shown.one('.hint').words, focused(), shown.one('.entry-form .said').words, shown.one('[name=region]').value]).toEqual(['the registry has an entry of m-9 already', 'meterId', expect.stringMatching(/^Not made/), 'north']);
  });

  test('says at its field what the registry refuses, and takes a new region when it is said to be one', async () => {
    page.answers['PUT /registry/meters/m-9'] = ({ query }: Asked) => (query.newRegions === 'true' ? MADE : refusal(422, 'unknown_region', 'Faults.', { faults: [{ path: 'region', message: 'There is no region "nord".' }] }));
    const shown = await fill({ meterId: 'm-9', region: 'nord' });
    expect(shown.all('[name=newRegion]')).toEqual([]);
    await shown.one('.entry-form').fire('submit');
    expect([shown.one('.hint').words, focused(), asked('PUT')[0].query]).toEqual(['There is no region "nord".', 'region', { by: 'Otto' }]);
    await shown.one('[name=newRegion]').fire('change', { target: { checked: true } });
    await shown.one('.entry-form').fire('submit');
    expect([asked('PUT')[1].query, hash()]).toEqual([{ by: 'Otto', newRegions: 'true' }, '#registry/m-9']);
  });

  test('is begun with the id of a meter that has none, and left by Escape', async () => {
    page.answers['/registry/meters'] = pageOf();
    expect((await show('m:9')).button('Make its entry').getAttribute('href')).toBe('#registry/*m%3A9');
    const shown = await show('*m:9');
    expect([shown.one('[id=entry-title]').words, shown.one('[name=meterId]').value, focused()]).toEqual(['New entry', 'm:9', 'serial']);
    await shown.one('.entry-form').fire('keydown', { key: 'Escape' });
    expect(hash()).toBe('#registry');
  });

  test.each([
    ['admin', 1],
    ['operator', 0],
  ])('and the removal of one are for admins: %s', async (role, count) => {
    await enterAs(role);
    expect((await show(null)).all('.filters a')).toHaveLength(count);
    expect((await show('*')).all('.entry-form')).toHaveLength(count);
    expect((await show()).all('[aria-expanded]')).toHaveLength(count);
    page.answers['/registry/meters'] = pageOf();
    expect((await show('m-9')).all('.empty a')).toHaveLength(count);
  });
});

describe('the removal of an entry', () => {
  const ask = async () => {
    const shown = await show();
    await shown.button('Remove…').press();
    return shown;
  };

  test('says what it means before anything is done, with the focus on what does nothing', async () => {
    const shown = await ask();
    expect(shown.one('.callout').words).toContain('What the meter has measured, its bills and whose it is stay.');
    expect([asked('DELETE'), shown.button('Remove…').getAttribute('aria-expanded'), focusedWords()]).toEqual([[], 'true', 'Keep it']);
    await shown.one('.callout').fire('keydown', { key: 'a' });
    expect(shown.all('.callout')).toHaveLength(1);
    await shown.one('.callout').fire('keydown', { key: 'Escape' });
    expect([shown.all('.callout').length, focusedWords()]).toEqual([0, 'Remove…']);
    await shown.button('Remove…').press();
    await shown.button('Keep it').press();
    expect([shown.all('.callout').length, focusedWords(), asked('DELETE')]).toEqual([0, 'Remove…', []]);
  });

  test('is of the version that was seen, and leads back to the list, which says so', async () => {
    page.answers[`DELETE ${ONE}`] = () => new Response(null, { status: 204 });
    const shown = await ask();
    await shown.one('.callout').fire('submit');
    expect(asked('DELETE')).toMatchObject([{ path: ONE, headers: { 'if-match': '"4"' } }]);
    expect([hash(), page.asked.at(-1)!.path, (await show(null)).one('.area-list .said').words]).toEqual(['#registry', '/registry/meters', `The entry of ${ENTRY.meterId} is removed.`]);
  });

  test('shows what somebody else has changed meanwhile, and is done when it is still wished', async () => {
    page.answers[`DELETE ${ONE}`] = ({ headers }: Asked) => (headers['if-match'] === '"5"' ? new Response(null, { status: 204 }) : refusal(409, 'stale_version', 'It has changed.'));
    page.answers[ONE] = { ...ENTRY, note: 'Do not remove', version: 5, updatedBy: 'Ada' };
    const shown = await ask();
    await shown.one('.callout').fire('submit');
    expect(shown.one('.callout .said').words).toMatch(/^Ada has changed this entry meanwhile: .*version 5/);
    expect([shown.one('.facts').words, hash()]).toEqual([expect.stringContaining('Do not remove'), '']);
    await shown.one('.callout').fire('submit');
    expect([asked('DELETE').length, hash()]).toEqual([2, '#registry']);
  });

  test.each([
    ['at once', 404],
    ['while it is looked at anew', 409],
  ])('is done where somebody else has removed it, %s', async (_when, status) => {
    page.answers[`DELETE ${ONE}`] = refusal(status, status === 404 ? 'unknown_registered_meter' : 'stale_version', 'There is none.');
    page.answers[ONE] = refusal(404, 'unknown_registered_meter', 'There is none.');
    await (await ask()).one('.callout').fire('submit');
    expect(hash()).toBe('#registry');
  });

  test('that is refused says why, and may be tried again', async () => {
    page.answers[`DELETE ${ONE}`] = refusal(503, 'unavailable', 'Later.');
    const shown = await ask();
    await shown.one('.callout').fire('submit');
    expect([shown.one('.callout .said').words, shown.button('Remove it').hasAttribute('disabled'), hash()]).toEqual(['Later.', false, '']);
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
