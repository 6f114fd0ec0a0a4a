import { describe, expect, test } from 'vitest';

/** What the page makes of alerts. JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { alertCounts, alertRegions, ALERTS_IN_SNAPSHOT, ALERTS_MAX, ENGINE, filteredAlerts, matchOf, sortedAlerts, withAlerts, withFetchedAlerts } = await web('alert-state.js');
const { emptyState, withAlert, withAllAlerts, withMessage } = await web('grid-state.js');
const { pageHash, parseRoute, routeHash } = await web('route.js');

interface Sketch {
  severity?: string;
  state?: string;
  region?: string | null;
  meterId?: string | null;
  component?: string | null;
  suppression?: object | null;
  version?: number;
  at?: number;
}

function alert(id: string, { at = 0, ...over }: Sketch = {}): { id: string } & Record<string, unknown> {
  const time = new Date(Date.UTC(2026, 2, 2) + at * 1_000).toISOString();
  return { id, version: 1, severity: 'WARN', state: 'open', rule: 'r', region: 'north', meterId: null, component: null, suppression: null, startedAt: time, openedAt: time, ...over };
}

const idsOf = (alerts: Iterable<{ id: string }>) => [...alerts].map(({ id }) => id);
const message = (type: 'snapshot' | 'update', alerts: object[]) => ({ type, channel: 'alerts', seq: 1, data: { alerts } });
const many = (count: number, over: Sketch = {}) => Array.from({ length: count }, (_, i) => alert(`a${i}`, { at: i, ...over }));

describe('the alerts of the page', () => {
  test('a snapshot replaces them, an update those that it names, and what is resolved goes', () => {
    const first = withMessage(emptyState, message('snapshot', [alert('a'), alert('b')]), 0);
    const second = withMessage(first, message('update', [alert('b', { version: 2, state: 'resolved' }), alert('c')]), 0);
    expect(idsOf(second.alerts.values())).toEqual(['a', 'c']);
    expect(idsOf(first.alerts.values())).toEqual(['a', 'b']);
    expect(idsOf(withMessage(second, message('snapshot', [alert('d')]), 0).alerts.values())).toEqual(['d']);
  });

  test('an answer of the gateway counts at once, and an update that left before it does not undo it', () => {
    const state = withMessage(emptyState, message('snapshot', [alert('a')]), 0);
    const acknowledged = withAlert(state, alert('a', { version: 3, state: 'acknowledged' }));
    expect(acknowledged.alerts.get('a').state).toBe('acknowledged');
    expect(withMessage(acknowledged, message('update', [alert('a', { version: 2 })]), 0).alerts.get('a').version).toBe(3);
    expect(withAlert(emptyState, alert('a'))).toBe(emptyState);
  });

  test('a full snapshot leaves older ones as they were, and says that there may be some', () => {
    const newest = many(ALERTS_IN_SNAPSHOT);
    const known = withMessage(emptyState, message('snapshot', [alert('older', { at: -5 }), alert('gone', { at: 5.5 })]), 0);
    expect(known.hasOlderAlerts).toBe(false);
    const full = withMessage(known, message('snapshot', newest), 0);
    expect(full.hasOlderAlerts).toBe(true);
    expect([full.alerts.size, full.alerts.has('older'), full.alerts.has('gone')]).toEqual([ALERTS_IN_SNAPSHOT + 1, true, false]);
    expect(withMessage(full, message('update', [alert('x')]), 0).hasOlderAlerts).toBe(true);
    expect(withMessage(full, message('snapshot', []), 0)).toMatchObject({ hasOlderAlerts: false, alerts: new Map() });
  });

  test('what REST has fills in, and what the stream said meanwhile is newer', () => {
    const before = withAlerts(null, [alert('stays'), alert('changes'), alert('ends'), alert('ended-unseen')], true);
    const now = withAlerts(before, [alert('changes', { version: 2 }), alert('ends', { version: 2, state: 'resolved' }), alert('new')], false);
    const filled = withFetchedAlerts(now, [alert('stays', { version: 4 }), alert('changes'), alert('ends'), alert('old')], before);
    expect(idsOf(filled.values()).sort()).toEqual(['changes', 'new', 'old', 'stays']);
    expect([filled.get('changes').version, filled.get('stays').version]).toEqual([2, 4]);
    expect(withAllAlerts({ ...emptyState, alerts: now }, [], before).alerts.size).toBe(2);
  });

  test('of a storm the worst are kept', () => {
    const stormed = withAlerts(withAlerts(null, [alert('bad', { severity: 'CRITICAL', at: -9 })], true), many(ALERTS_MAX), false);
    expect([stormed.size, stormed.has('bad'), stormed.has('a0'), stormed.has('a1')]).toEqual([ALERTS_MAX, true, false, true]);
  });

  test('the worst come first, among equals the newest', () => {
    expect(idsOf(sortedAlerts([alert('info', { severity: 'INFO', at: 9 }), alert('old', { at: 1 }), alert('new', { at: 2 }), alert('bad', { severity: 'CRITICAL' })]))).toEqual(['bad', 'new', 'old', 'info']);
  });

  test('are filtered by severity and region, and what is held back is by itself', () => {
    const silence = { by: 'silence', id: 's' };
    const alerts = withAlerts(null, [alert('info', { severity: 'INFO' }), alert('n'), alert('s', { region: 'south' }), alert('quiet', { suppression: silence }), alert('disk', { region: null, component: 'disk', severity: 'CRITICAL' })], true);
    const filtered = (severity: string, region: string | null) => {
      const { shown, heldBack } = filteredAlerts(alerts, { severity, region });
      return [idsOf(shown), idsOf(heldBack)];
    };
    expect(filtered('INFO', null)).toEqual([['disk', 'n', 's', 'info'], ['quiet']]);
    expect(filtered('WARN', 'north')).toEqual([['n'], ['quiet']]);
    expect(filtered('CRITICAL', null)).toEqual([['disk'], []]);
    expect(filtered('INFO', ENGINE)).toEqual([['disk'], []]);
    expect(alertRegions(alerts)).toEqual(['north', 'south', ENGINE]);
  });

  test('are counted: those that nobody has acknowledged, and what people are not told of by itself', () => {
    const alerts = withAlerts(null, [alert('a', { severity: 'CRITICAL' }), alert('b'), alert('c', { state: 'acknowledged' }), alert('d', { severity: 'CRITICAL', suppression: {} })], true);
    expect(alertCounts(alerts)).toEqual({ open: 2, critical: 1, acknowledged: 1, heldBack: 1 });
    expect(alertCounts(null)).toEqual({ open: 0, critical: 0, acknowledged: 0, heldBack: 0 });
  });

  test('a silence made from one is for its rule and its subject alone', () => {
    expect(matchOf(alert('a', { meterId: 'm1' }))).toEqual({ rules: ['r'], meters: ['m1'] });
    expect(matchOf(alert('a'))).toEqual({ rules: ['r'], regions: ['north'] });
    expect(matchOf(alert('a', { region: null, component: 'disk' }))).toEqual({ rules: ['r'], components: ['disk'] });
  });
});

describe('the address', () => {
  test.each([
    ['', { region: null, meterId: null, alertId: null }],
    ['#/north', { region: 'north', meterId: null, alertId: null }],
    ['#/north/m%2F1', { region: 'north', meterId: 'm/1', alertId: null }],
    ['#alert=0123-abc', { region: null, meterId: null, alertId: '0123-abc' }],
    ['#/a%26b/m1&alert=0123-abc', { region: 'a&b', meterId: 'm1', alertId: '0123-abc' }],
    // A region may have the name of a page.
    ['#/bills', { region: 'bills', meterId: null, alertId: null }],
  ])('%j names what is selected', (hash, route) => {
    expect(parseRoute(hash)).toEqual({ page: 'grid', id: null, ...route });
    expect(routeHash(route)).toBe(hash || '#');
  });

  test.each([
    ['#bills', { page: 'bills', id: null }],
    ['#bills/INV-1%2F2', { page: 'bills', id: 'INV-1/2' }],
  ])('%j names a page', (hash, { page, id }) => {
    expect(parseRoute(hash)).toEqual({ page, id, region: null, meterId: null, alertId: null });
    expect(pageHash(page, id)).toBe(hash);
  });

  test('that somebody cut short is read as it stands', () => {
    expect(parseRoute('#/north%2')).toEqual({ page: 'grid', id: null, region: 'north%2', meterId: null, alertId: null });
  });
});
