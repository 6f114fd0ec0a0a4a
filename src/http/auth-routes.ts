import { z } from 'zod';
import type { LogIn } from '../actors/accounts/protocol.ts';
import type { AccountDesk } from './account-desk.ts';
import { changerOf, emailField, nameField, newPasswordField, passwordField, PEER_HEADERS, peerOf, tokenField } from './account-fields.ts';
import { accountSettingsSchema, logInSchema, sessionsSchema, signingKeysSchema, ticketSchema } from './account-schemas.ts';
import { logInShape, profileShape, sessionShape } from './account-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import type { Operation } from './operation.ts';
import { noRefreshCookie, refreshCookie, refreshTokenOf } from './refresh-cookie.ts';
import type { Answer } from './route-answers.ts';
import { isoTime } from './wire-shapes.ts';

/** /api/v1/auth: logging in and out, passwords, and what else somebody does before, or about, being logged in. */

const BASE = '/api/v1/auth';
const NO_QUERY = z.object({});
/** Pages say that they want the refresh token in a cookie, out of reach of their own scripts. */
const cookieField = z.boolean().default(false);

const publicly = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers'> => ({ id, summary, tag: 'Accounts', access: 'public', headers: [...PEER_HEADERS, 'cookie'] });
const signedIn = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers'> => ({ id, summary, tag: 'Accounts', access: 'signed-in', headers: PEER_HEADERS });

export function addAuthRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  addLogInRoutes(routes, accounts);
  addMailRoutes(routes, accounts);
  addSessionRoutes(routes, accounts);
  routes.get(`${BASE}/settings`, { ...publicly('getAccountSettings', 'Whether there are accounts, and how to log in'), response: accountSettingsSchema }, NO_QUERY, () => ({ document: accounts.settings }));
  routes.get('/.well-known/jwks.json', { ...publicly('getSigningKeys', 'Public keys that access tokens are verified with (RFC 7517)'), response: signingKeysSchema }, NO_QUERY, () => ({ document: accounts.jwks() }));
}

function addLogInRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const { cookie } = accounts;
  const answer = (logIn: LogIn, inCookie: boolean, nowMs: number): Answer => ({
    document: logInShape(logIn, inCookie, nowMs),
    headers: inCookie ? refreshCookie(logIn.refreshToken, logIn.refreshExpiresAt, nowMs, cookie) : [],
  });

  const logInBody = z.strictObject({ email: emailField, password: passwordField, cookie: cookieField });
  routes.serve(`${BASE}/login`, {
    POST: routes.write({ ...publicly('logIn', 'Logs in with address and password'), response: logInSchema }, logInBody, async ({ body: { email, password, cookie: inCookie }, ...request }) =>
      answer(await accounts.ask({ kind: 'logIn', email, password, peer: peerOf(request) }), inCookie, request.nowMs)),
  });

  const refreshBody = z.strictObject({ refreshToken: tokenField.optional() });
  routes.serve(`${BASE}/refresh`, {
    POST: routes.write({ ...publicly('refresh', 'Another access token for a refresh token, which counts once; the next comes with the answer'), response: logInSchema }, refreshBody, async ({ body: { refreshToken }, ...request }) => {
      // Of the two the one in the body: a program says which it means.
      const token = refreshToken ?? refreshTokenOf(request.headers.cookie);
      return answer(await accounts.ask({ kind: 'refresh', refreshToken: token ?? '', peer: peerOf(request) }), refreshToken === undefined, request.nowMs);
    }),
  });

  routes.serve(`${BASE}/logout`, {
    POST: routes.write(publicly('logOut', 'Ends the log-in that a refresh token is of'), refreshBody, async ({ body: { refreshToken }, ...request }) => {
      await accounts.ask({ kind: 'logOut', refreshToken: refreshToken ?? refreshTokenOf(request.headers.cookie), sessionId: null, peer: peerOf(request) });
      return { document: null, headers: refreshToken === undefined ? noRefreshCookie(cookie) : [] };
    }),
  });

  // Public, as who has a one-time password has no token: the password that is replaced says who it is.
  const changeBody = z.strictObject({ email: emailField, password: passwordField, newPassword: newPasswordField, cookie: cookieField });
  routes.serve(`${BASE}/password`, {
    POST: routes.write({ ...publicly('changePassword', 'Replaces a password; every log-in of the account ends, and another begins'), response: logInSchema }, changeBody, async ({ body: { email, password, newPassword, cookie: inCookie }, ...request }) =>
      answer(await accounts.ask({ kind: 'changePassword', email, password, newPassword, peer: peerOf(request) }), inCookie, request.nowMs)),
  });
}

function addMailRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const nothing = (asked: Promise<null>): Promise<Answer> => asked.then(() => ({ document: null }));
  routes.serve(`${BASE}/register`, {
    POST: routes.write(publicly('register', 'Asks for an account: a link comes by mail. The answer is the same whether there is one already'), z.strictObject({ email: emailField, name: nameField }), ({ body: { email, name }, ...request }) =>
      nothing(accounts.ask({ kind: 'register', email, name, peer: peerOf(request) }))),
  });
  const linkBody = z.strictObject({ token: tokenField, password: newPasswordField });
  routes.serve(`${BASE}/verify`, {
    POST: routes.write({ ...publicly('verify', 'Makes the account that a link by mail is of, with a password'), response: logInSchema.shape.user }, linkBody, async ({ body: { token, password }, ...request }) => ({
      document: profileShape(await accounts.ask({ kind: 'verify', token, password, peer: peerOf(request) }), request.nowMs),
    })),
  });
  routes.serve(`${BASE}/password-reset`, {
    POST: routes.write(publicly('requestPasswordReset', 'Asks for a link by mail to choose another password. The answer is the same whether there is such an account'), z.strictObject({ email: emailField }), ({ body: { email }, ...request }) =>
      nothing(accounts.ask({ kind: 'requestReset', email, peer: peerOf(request) }))),
  });
  routes.serve(`${BASE}/password-reset/confirm`, {
    POST: routes.write(publicly('confirmPasswordReset', 'Sets the password by a link that came by mail; every log-in of the account ends'), linkBody, ({ body: { token, password }, ...request }) =>
      nothing(accounts.ask({ kind: 'confirmReset', token, password, peer: peerOf(request) }))),
  });
}

function addSessionRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  routes.serve(`${BASE}/logout-everywhere`, {
    POST: routes.write(signedIn('logOutEverywhere', 'Ends every log-in of the account'), z.strictObject({}), async (request) => {
      await accounts.ask({ kind: 'endSessions', userId: request.principal.id, by: changerOf(request) });
      return { document: null, headers: noRefreshCookie(accounts.cookie) };
    }),
  });
  routes.get(`${BASE}/sessions`, { ...signedIn('listSessions', 'Log-ins of the account that go on'), response: sessionsSchema }, NO_QUERY, async ({ principal }) => ({
    document: { data: (await accounts.ask({ kind: 'sessions', userId: principal.id })).map((session) => sessionShape(session, principal)), nextCursor: null },
  }));
  routes.serve(`${BASE}/sessions/:id`, {
    DELETE: routes.remove(signedIn('endSession', 'Ends one log-in of the account'), NO_QUERY, async ({ path: [sessionId], ...request }) => ({
      document: await accounts.ask({ kind: 'endSession', userId: request.principal.id, sessionId, by: changerOf(request) }),
    })),
  });
  routes.serve(`${BASE}/stream-tickets`, {
    POST: routes.write({ ...signedIn('makeStreamTicket', 'A ticket to open the live stream with, once, within 30 s'), response: ticketSchema, secretAnswer: true }, z.strictObject({}), ({ principal }) => {
      const { ticket, expiresAt } = accounts.makeTicket(principal);
      return { document: { ticket, expiresAt: isoTime(expiresAt) } };
    }),
  });
}
