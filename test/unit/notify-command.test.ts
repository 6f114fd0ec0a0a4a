import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../../src/cli/api-client.ts';
import { listContacts, previewMessage, sendTestMessage } from '../../src/cli/notify-command.ts';

let server: http.Server;
let api: ApiClient;
let directory: string;
let printed: string;
let asked: { method: string; path: string; body: unknown }[];
/** Answers in turn; the last one stays. */
let answers: { status: number; body: unknown }[];

const print = (text: string) => void (printed += text);

beforeEach(async () => {
  printed = '';
  asked = [];
  server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ method: request.method!, path: request.url!, body: body === '' ? null : JSON.parse(body) });
    const { status, body: document } = answers.length > 1 ? answers.shift()! : answers[0];
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof document === 'string' ? document : JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = new ApiClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  directory = await mkdtemp(join(tmpdir(), 'seg-notify-'));
});
afterEach(async () => {
  api.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

const flags = { url: '', contact: 'c-1', channel: 'email' as const };
const receipt = (step: string, text: string, more: object = {}) => ({ at: '2026-11-27T13:36:00.000Z', channel: 'sms', step, code: null, text, providerId: null, ...more });

describe('seg notify contacts', () => {
  const contact = (id: string, addresses: object) => ({ id, name: `Name of ${id}`, zone: 'Europe/Berlin', locale: 'de-DE', addresses });

  it('lists all pages with ids and ways to reach them', async () => {
    answers = [
      { status: 200, body: { data: [contact('c-1', { email: 'a@b', sms: null, push: [], webhook: { url: 'https://x', hasSecret: true } })], nextCursor: 'n' } },
      { status: 200, body: { data: [contact('c-long', { email: null, sms: null, push: [], webhook: null })], nextCursor: null } },
    ];
    await listContacts(api, print);
    expect(printed).toBe('id      name            channels       zone           locale\nc-1     Name of c-1     email webhook  Europe/Berlin  de-DE\nc-long  Name of c-long  –              Europe/Berlin  de-DE\n');
    expect(asked.map(({ path }) => path)).toEqual(['/api/v1/contacts?limit=500', '/api/v1/contacts?limit=500&cursor=n']);
  });

  it('says so when there are none', async () => {
    answers = [{ status: 200, body: { data: [], nextCursor: null } }];
    await listContacts(api, print);
    expect(printed).toMatch(/^there are no contacts yet/);
  });

  it('lets no name write to the terminal', async () => {
    answers = [{ status: 200, body: { data: [{ ...contact('c-1', {}), name: 'a\u001b[2Jb\nc' }], nextCursor: null } }];
    await listContacts(api, print);
    expect(printed).toContain('a [2Jb c');
    expect(printed).not.toContain('\u001b');
  });
});

describe('seg notify preview', () => {
  const message = { subject: 'CRITICAL: x', text: 'words\n', html: '<p>w</p><img src="cid:curve@x">', pictures: [{ cid: 'curve@x', png: 'iVBORw==', text: 'a curve' }] };

  it('prints subject and text', async () => {
    answers = [{ status: 200, body: message }];
    await previewMessage(api, { ...flags, severity: 'WARN' }, print);
    expect(asked).toEqual([{ method: 'POST', path: '/api/v1/notifications/preview', body: { contactId: 'c-1', channel: 'email', severity: 'WARN' } }]);
    expect(printed).toBe('Subject: CRITICAL: x\n\nwords\n');
  });

  it('writes the HTML with its pictures in it', async () => {
    answers = [{ status: 200, body: message }];
    const out = join(directory, 'mail.html');
    await previewMessage(api, { ...flags, severity: 'WARN', out }, print);
    expect(await readFile(out, 'utf8')).toBe('<p>w</p><img src="data:image/png;base64,iVBORw==">');
    expect(printed).toContain(`written to ${out}`);
  });

  it('says what an SMS costs', async () => {
    answers = [{ status: 200, body: { subject: '', text: 'x'.repeat(161), html: null, pictures: [] } }];
    await previewMessage(api, { ...flags, channel: 'sms', severity: 'WARN' }, print);
    expect(printed).toBe(`2 segments, GSM-7\n\n${'x'.repeat(161)}\n`);
  });

  it('says what is wrong with the file', async () => {
    answers = [{ status: 200, body: message }];
    await expect(previewMessage(api, { ...flags, severity: 'WARN', out: join(directory, 'no', 'mail.html') }, print)).rejects.toMatchObject({ code: 'out_unwritable' });
  });
});

describe('seg notify test', () => {
  it('tells every step and is well when the message went', async () => {
    answers = [{ status: 200, body: { id: 'test/1/c-1', state: 'sent', receipts: [receipt('attempt', 'handed to Twilio'), receipt('accepted', 'queued', { code: '201', providerId: 'SM1' })] } }];
    expect(await sendTestMessage(api, { ...flags, channel: 'sms' }, print)).toBe(true);
    expect(asked).toEqual([{ method: 'POST', path: '/api/v1/notifications/test', body: { contactId: 'c-1', channel: 'sms' } }]);
    expect(printed).toBe('2026-11-27T13:36:00.000Z  sms attempt: handed to Twilio\n2026-11-27T13:36:00.000Z  sms accepted [201, SM1]: queued\nsent: the provider took it (test/1/c-1)\n');
  });

  it.each([
    ['failed', /failed: it did not go/],
    ['sending', /not known: .* may have gone/],
  ])('is not well when it is %s', async (state, words) => {
    answers = [{ status: 200, body: { id: 'd', state, receipts: [receipt('rejected', 'opted out', { code: '21610' })] } }];
    expect(await sendTestMessage(api, { ...flags, channel: 'sms' }, print)).toBe(false);
    expect(printed).toContain('rejected [21610]: opted out');
    expect(printed).toMatch(words);
  });

  it.each([
    [404, 'not_found'],
    [409, 'api_refused'],
    [422, 'api_refused'],
    [503, 'api_overloaded'],
  ])('asks once, and says what a %d was about', async (status, code) => {
    answers = [{ status, body: { title: 'No', detail: 'there is no contact c-1' } }];
    await expect(sendTestMessage(api, flags, print)).rejects.toMatchObject({ code, message: expect.stringContaining('there is no contact c-1') });
    expect(asked).toHaveLength(1);
  });

  it('knows when nobody listens, and when it is no engine', async () => {
    answers = [{ status: 200, body: 'hello' }];
    await expect(sendTestMessage(api, flags, print)).rejects.toMatchObject({ code: 'api_refused' });
    const nobody = new ApiClient('http://127.0.0.1:1');
    await expect(sendTestMessage(nobody, flags, print)).rejects.toMatchObject({ code: 'api_unreachable' });
    nobody.close();
  });
});
