import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiReply } from '../support/api-client.ts';
import { eventually, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { formula, hostile, startHostileEngine, type HostileEngine } from '../support/hostile-engine.ts';
import { MailServer } from '../support/mail-server.ts';
import { pdfInfo, pdfText, popplerAvailable, POPPLER_HOW_TO } from '../support/pdf-text.ts';
import { suite } from '../support/required-suites.ts';
import { bearer } from '../support/signed-in-engine.ts';
import { TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN, TwilioServer } from '../support/twilio-server.ts';
import { WEBHOOK_SECRET, WebhookServer } from '../support/webhook-server.ts';

/** What leaves a real engine in which all that somebody may choose is markup, a script or a formula: papers, tables, messages, lines of a terminal and of the log. Pages are looked at in browser/injection.test.ts. */

const START_TIMEOUT_MS = 180_000;
const WAIT_MS = 20_000;

let grid: HostileEngine;
let mail: MailServer;
let twilio: TwilioServer;
let webhook: WebhookServer;
let work: string;

beforeAll(async () => {
  work = temporaryDirectory();
  [mail, twilio, webhook] = await Promise.all([MailServer.start(), TwilioServer.start(), WebhookServer.start()]);
  grid = await startHostileEngine(
    { SMTP_URL: `smtp://127.0.0.1:${mail.port}`, SMTP_FROM: 'Grid <grid@example.org>', TWILIO_ACCOUNT_SID: TWILIO_ACCOUNT, TWILIO_AUTH_TOKEN: TWILIO_TOKEN, TWILIO_FROM: TWILIO_NUMBER, TWILIO_BASE_URL: twilio.url, PUBLIC_URL: 'http://grid.example.org', REGISTRATION: 'on' },
    { email: 'contact@example.org', sms: '+41791234567', webhook: { url: `${webhook.url}/alerts`, secret: WEBHOOK_SECRET } },
  );
}, START_TIMEOUT_MS);
afterAll(async () => {
  await grid?.people.engine.dispose();
  await Promise.all([mail.close(), twilio.close(), webhook.close()]);
  removeDirectory(work);
});

const get = (path: string): Promise<ApiReply> => grid.people.call('GET', path, { token: grid.people.admin.token });
const rowsOf = (table: string): Record<string, string>[] => parse(table, { columns: true });
/** As Excel, LibreOffice and Sheets begin a formula; a number below 0 is none. */
const FORMULA = /^[=+@\t\r\n＝＋－＠]|^-(?!\d+(\.\d+)?$)/;

function expectNoFormula(table: string): Record<string, string>[] {
  const rows = rowsOf(table);
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.flatMap((row) => Object.values(row)).filter((cell) => FORMULA.test(cell))).toEqual([]);
  return rows;
}

test('tables have no formula but text, the same for who reads them as text', async () => {
  const { invoiceId, comparisonId, meterId } = grid;
  const [one, all, compared] = await Promise.all([get(`/api/v1/invoices/${encodeURIComponent(invoiceId)}/csv`), get('/api/v1/invoices/export?format=csv'), get(`/api/v1/tariff-comparisons/${comparisonId}/meters?format=csv`)]);
  for (const { headers } of [one, all, compared]) expect(headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'x-content-type-options': 'nosniff', 'content-disposition': expect.stringMatching(/^attachment; filename="[A-Za-z0-9._-]+"$/) });
  for (const table of [one.body, all.body]) for (const { customer } of expectNoFormula(table as string)) expect(customer).toBe(`'${formula('customer')}`);
  expect(rowsOf(one.body as string).map(({ charge }) => charge)).toContain(hostile('charge'));
  expect(expectNoFormula(compared.body as string)).toMatchObject([{ meterId }]);
});

test('commands print text that steers no terminal, and write tables without formulas', async () => {
  const { people, invoiceId, tariffId, meterId } = grid;
  const number = (await get(`/api/v1/invoices/${encodeURIComponent(invoiceId)}`)).body.number as string;
  const run = (...args: string[]) => seg([...args, '--url', people.engine.apiUrl()], { cwd: work, env: { SEG_TOKEN: people.admin.token } });
  const commands = [['user', 'list'], ['key', 'list'], ['notify', 'contacts'], ['tariff', 'list'], ['tariff', 'show', tariffId], ['bill', 'list'], ['bill', 'show', number], ['bill', 'explain', number], ['bill', 'show', '\u001b]0;x\u0007\u009b2J']];
  const said = await Promise.all(commands.map((args) => run(...args)));
  for (const [i, { stdout, stderr }] of said.entries()) expect(`${stdout}${stderr}`, commands[i].join(' ')).toMatch(/^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]+$/);
  expect(said.slice(0, -1).map(({ code }) => code)).toEqual(said.slice(0, -1).map(() => 0));
  expect(said[1].stdout).toContain(hostile('key'));
  expect(said[6].stdout).toContain(formula('customer'));
  expect((await run('bill', 'export', '--format', 'csv', '--out', 'bills.csv')).code).toBe(0);
  expect((await run('export', '--meter', meterId, '--out', 'windows.csv')).code).toBe(0);
  for (const file of ['bills.csv', 'windows.csv']) expectNoFormula(readFileSync(join(work, file), 'utf8'));
}, 60_000);

test('messages are to whom they are for, with no field of a head and no element more than others have', async () => {
  const { people, contactId } = grid;
  const register = (email: string, name: string) => people.call('POST', '/api/v1/auth/register', { body: { email, name } });
  const before = mail.mails.length;
  expect((await register('plain@example.org', 'Ada')).status).toBe(204);
  expect((await register('hostile@example.org', hostile('registered'))).status).toBe(204);
  for (const name of ['Ada\r\nBcc: eve@evil.invalid', 'Ada\nX: y', 'Ada\0']) expect((await register('eve@example.org', name)).status, JSON.stringify(name)).toBe(422);
  for (const email of ['a@b.org\r\nBcc: eve@evil.invalid', 'a@b.org, eve@evil.invalid', '"a\r\nb"@b.org', 'a@b.org>\r\nRCPT TO:<eve@evil.invalid']) expect((await register(email, 'Ada')).status, JSON.stringify(email)).toBe(422);
  for (const channel of ['email', 'sms', 'webhook']) expect((await people.call('POST', '/api/v1/notifications/test', { token: people.admin.token, body: { contactId, channel } })).status, channel).toBe(200);
  const of = (address: string) => mail.mails.slice(before).filter(({ to }) => to.includes(address));
  await eventually(async () => [...of('plain@example.org'), ...of('hostile@example.org'), ...of('contact@example.org')].length, (count) => count >= 3, WAIT_MS);
  const heads = (address: string) => of(address)[0].parsed.headerLines.map(({ key }) => key).sort();
  expect(heads('hostile@example.org')).toEqual(heads('plain@example.org'));
  for (const { to, parsed } of mail.mails) {
    expect(to).toHaveLength(1);
    expect(parsed.headerLines.map(({ key }) => key)).not.toContain('bcc');
    expect(parsed.html || '').not.toMatch(/<img src=\/\/evil|<script|<svg|<iframe/);
  }
  await eventually(async () => [twilio.messages.length, webhook.requests.length], ([sms, hooks]) => sms > 0 && hooks > 0, WAIT_MS);
  for (const { body } of twilio.messages) expect(body).toMatch(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]+$/);
  for (const { body, headers } of webhook.requests) {
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(() => JSON.parse(body)).not.toThrow();
  }
}, 60_000);

suite('bills on paper', popplerAvailable(), POPPLER_HOW_TO, () => {
  test('have a stranger\'s text as text, and nothing that acts', async () => {
    for (const language of ['en', 'de']) {
      const answer = await fetch(grid.people.engine.apiUrl(`/api/v1/invoices/${encodeURIComponent(grid.invoiceId)}/pdf?language=${language}`), { headers: bearer(grid.people.admin.token) });
      const pdf = new Uint8Array(await answer.arrayBuffer());
      expect([answer.headers.get('content-type'), answer.headers.get('x-content-type-options')]).toEqual(['application/pdf', 'nosniff']);
      const text = pdfText(pdf);
      for (const part of ['=HYPERLINK("//evil', 'address "><img src=//evil', ') Tj ET endstream /S /URI', 'charge "><img']) expect(text).toContain(part);
      expect(pdfInfo(pdf)).toMatchObject({ JavaScript: 'no', Form: 'none' });
      const objects = Buffer.from(pdf).toString('latin1').replace(/stream\r?\n[^]*?endstream/g, '');
      expect(objects).not.toMatch(/\/(JS|JavaScript|URI|Launch|OpenAction|AA|SubmitForm|ImportData|EmbeddedFile|RichMedia|Annots)\b/);
    }
  });
});

test('the audit log and the log of the engine have one entry for each thing, with the text in it', async () => {
  const { data } = (await get('/api/v1/audit-log?limit=1000')).body;
  expect(data.map(({ target }: { target: string }) => target)).toContain(`/api/v1/contacts/${encodeURIComponent(hostile('target'))}`);
  const { engine } = grid.people;
  expect(engine.strayLines).toEqual([]);
  expect(engine.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
