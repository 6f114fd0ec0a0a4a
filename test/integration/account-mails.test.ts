import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AccountMails } from '../../src/actors/accounts/mailed-links.ts';
import { accountMails } from '../../src/engine/account-mails.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { User } from '../../src/actors/accounts/protocol.ts';
import { eventually } from '../support/engine-process.ts';
import { USER } from '../support/fake-accounts.ts';
import { MailServer } from '../support/mail-server.ts';

let server: MailServer;
let mails: AccountMails;
const TOKEN = `segl_${'A'.repeat(43)}`;
const modules = { clock: systemClock, timers: systemTimers, log: nullLog };

beforeAll(async () => {
  server = await MailServer.start();
  mails = (await accountMails({ smtpUrl: `smtp://127.0.0.1:${server.port}`, smtpFrom: 'Grid <grid@example.org>', publicUrl: 'https://grid.example.org' }, modules))!;
});

afterAll(async () => {
  await mails.close();
  await server.close();
});

async function newest(count: number) {
  await eventually(async () => server.mails.length, (found) => found === count);
  const { to, parsed } = server.mails[count - 1];
  return { to, subject: parsed.subject, text: parsed.text ?? '' };
}

it('mails carry their link after #, where no server logs it, and nothing that a stranger wrote', async () => {
  mails.registered('ada@example.org', 'Click https://evil.example', TOKEN);
  const registered = await newest(1);
  expect(registered).toMatchObject({ to: ['ada@example.org'], subject: 'Your account at Smart Energy Grid' });
  expect(registered.text).toContain(`https://grid.example.org/#verify/${TOKEN}`);
  expect(registered.text).not.toContain('evil');
  mails.reset(USER, TOKEN);
  expect((await newest(2)).text).toContain(`https://grid.example.org/#reset/${TOKEN}`);
  mails.alreadyRegistered(USER);
  expect((await newest(3)).text).not.toContain('https://');
});

it('mails to nobody are none, and without a server there are none at all', async () => {
  mails.reset({ ...USER, email: null } as User, TOKEN);
  mails.alreadyRegistered({ ...USER, email: null } as User);
  expect(server.mails).toHaveLength(3);
  expect(await accountMails({ smtpUrl: null, smtpFrom: null, publicUrl: null }, modules)).toBeNull();
});
