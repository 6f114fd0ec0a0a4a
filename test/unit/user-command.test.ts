import { describe, expect, it } from 'vitest';
import type { ApiClient } from '../../src/cli/api-client.ts';
import { addUser, assignMeters, heldMeter, listUsers } from '../../src/cli/user-command.ts';

describe('a meter on the command line', () => {
  it.each([
    ['m-1', null, null],
    ['a.b:c_d@2026-03-01..2026-10-01', '2026-02-28T23:00:00.000Z', '2026-09-30T22:00:00.000Z'],
    ['m-1@2026-03-01..', '2026-02-28T23:00:00.000Z', null],
    ['m-1@..2026-03-01T12:00:00Z', null, '2026-03-01T12:00:00.000Z'],
    ['m-1@2026-03-01T12:00:00+01:00..', '2026-03-01T11:00:00.000Z', null],
  ])('is somebody\'s for a time: %s', (text, from, until) => {
    expect(heldMeter(text, 'Europe/Berlin')).toEqual({ meterId: text.split('@')[0], from, until });
  });

  it.each(['m-1@2026-03-01', 'm-1@yesterday..', 'm-1@2026-13-01..', 'm-1@2026-03-01T12:00:00..', '@2026-03-01..', 'm@1@2026-03-01..'])('is refused where it says no time: %s', (text) => {
    expect(() => heldMeter(text, 'UTC')).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('the commands', () => {
  const printed: string[] = [];
  const api = (answers: Record<string, unknown>, asked: unknown[] = []) =>
    ({
      post: async (path: string, body: unknown) => (asked.push([path, body]), answers[path]),
      async *pages() {
        yield { data: answers.users };
      },
    }) as unknown as ApiClient;

  it('send times with what they give and take, and fail where something could not be done', async () => {
    const asked: unknown[] = [];
    await addUser(api({ '/api/v1/users': { oneTimePassword: 'x' } }, asked), 'a@x.org', { role: 'consumer', meters: ['m-1', 'm-2@2026-03-01..'], zone: 'UTC', regions: [] }, (text) => printed.push(text));
    const outcomes = { '/api/v1/meter-assignments': { data: [{ meterId: 'm-1', outcome: 'removed' }, { meterId: 'm-2', outcome: 'unknown_user' }] } };
    await expect(assignMeters(api(outcomes, asked), 'a@x.org', ['m-1@2027-01-01..', 'm-2'], { assigned: false, zone: 'UTC' }, (text) => printed.push(text))).rejects.toThrow('1 of 2 could not be done');
    expect(asked).toEqual([
      ['/api/v1/users', { email: 'a@x.org', name: 'a@x.org', role: 'consumer', regions: [], meters: [{ meterId: 'm-1', from: null, until: null }, { meterId: 'm-2', from: '2026-03-01T00:00:00.000Z', until: null }] }],
      ['/api/v1/meter-assignments', { assignments: [{ user: 'a@x.org', meters: ['m-1'], assigned: false, from: '2027-01-01T00:00:00.000Z', until: null }, { user: 'a@x.org', meters: ['m-2'], assigned: false, from: null, until: null }] }],
    ]);
    expect(printed.slice(1)).toEqual(['m-1: removed\n', 'm-2: unknown user\n']);
  });

  it('list each with its time', async () => {
    const users = [{ email: 'a@x.org', role: 'consumer', regions: [], meters: [], assignments: [{ meterId: 'm-1', from: null, until: null }, { meterId: 'm-2', from: '2026-03-01T00:00:00.000Z', until: null }], disabled: false, id: 'u' }];
    printed.length = 0;
    await listUsers(api({ users }), undefined, (text) => printed.push(text));
    expect(printed.join('')).toContain('m-1, m-2@2026-03-01T00:00:00.000Z..');
  });
});
