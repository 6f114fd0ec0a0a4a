import { z } from 'zod';
import type { User, UserChange } from '../actors/accounts/protocol.ts';
import { ROLES } from '../model/access.ts';
import type { MeterId } from '../model/ids.ts';
import type { AccountDesk } from './account-desk.ts';
import { changerOf, emailField, FAULT_UNTIL, heldFields, isHeldSpan, meterField, metersField, nameField, PEER_HEADERS, preferencesField, regionsField, roleField } from './account-fields.ts';
import { assignmentsSchema, newUserSchema, profileSchema, userSchema, usersSchema } from './account-schemas.ts';
import { profileShape, userShape } from './account-shapes.ts';
import type { GatewayRoutes, RouteRequest } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, type Operation } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { choiceParameter, cursorParameter, idParameter, limitParameter } from './query-parameters.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { pageShape } from './wire-shapes.ts';

/** /api/v1/me, /api/v1/users and /api/v1/meter-assignments: who has an account, and what of the grid is theirs. */

const ME = '/api/v1/me';
const BASE = '/api/v1/users';
const NO_QUERY = z.object({});
/** A request that assigns more is better made in parts: each part is answered, and can be sent again. */
const ASSIGNMENTS_MAX = 10_000;

const own = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers'> => ({ id, summary, tag: 'Accounts', access: 'signed-in', headers: PEER_HEADERS });
const admins = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers'> => ({ id, summary, tag: 'Accounts', access: { roles: ADMINS, scope: 'none' }, headers: PEER_HEADERS });

export function addUserRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  addMeRoutes(routes, accounts);
  addUsersRoutes(routes, accounts);
  addAssignmentRoutes(routes, accounts);
}

function addMeRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const me = async ({ principal: { id }, nowMs }: RouteRequest<object>): Promise<Answer | Problem> => {
    const user = await accounts.ask({ kind: 'user', id });
    return user === null ? unknownUser(id) : profile(user, nowMs);
  };
  const body = z.strictObject({ name: nameField.optional(), preferences: preferencesField.partial().optional() });
  routes.serve(ME, {
    GET: routes.read({ ...own('getMe', 'Who is logged in, with their meters or regions, and preferences'), response: profileSchema }, NO_QUERY, me),
    PATCH: routes.write({ ...own('changeMe', 'Changes what is named of one\'s own name and preferences'), response: profileSchema }, body, async ({ body: { name, preferences }, version, ...request }) => {
      const { id } = request.principal;
      const before = await accounts.ask({ kind: 'user', id });
      if (before === null) return unknownUser(id);
      const change: UserChange = { ...(name === undefined ? {} : { name }), ...(preferences === undefined ? {} : { preferences: { ...before.preferences, ...preferences } }) };
      const user = await accounts.ask({ kind: 'changeUser', id, version: version ?? before.version, change, by: changerOf(request) });
      return profile(user, request.nowMs);
    }),
  });
}

function addUsersRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const listQuery = z.object({ role: choiceParameter(ROLES).optional(), email: z.string().min(1, 'expected the beginning of an address').max(254, 'longer than any address').optional(), meterId: idParameter.describe('Those whose meter it is, was or will be.').optional(), limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
  const newUser = z.strictObject({ email: emailField, name: nameField, role: roleField, meters: metersField.default([]), regions: regionsField.default([]) });
  routes.serve(BASE, {
    GET: routes.read({ ...admins('listUsers', 'Who has an account, in the order of addresses'), response: usersSchema }, listQuery, async ({ query: { role = null, email: emailPrefix = null, meterId, limit, cursor = null }, nowMs }) => ({
      document: pageShape(await accounts.ask({ kind: 'users', query: { role, emailPrefix, meterId: meterId === undefined ? null : (meterId as MeterId), limit, cursor } }), (user) => userShape(user, nowMs)),
    })),
    POST: routes.write({ ...admins('createUser', 'A new account, with a password that is shown once and has to be replaced'), response: newUserSchema, creates: true, secretAnswer: true }, newUser, async ({ body, ...request }) => {
      const { user, oneTimePassword } = await accounts.ask({ kind: 'makeUser', user: body, by: changerOf(request) });
      return { document: { user: userShape(user, request.nowMs), oneTimePassword }, location: `${BASE}/${user.id}` };
    }),
  });

  const change = z.strictObject({ name: nameField.optional(), role: roleField.optional(), meters: metersField.optional(), regions: regionsField.optional(), disabled: z.boolean().optional() });
  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ ...admins('getUser', 'An account'), response: userSchema }, NO_QUERY, async ({ path: [id], nowMs }) => {
      const user = await accounts.ask({ kind: 'user', id });
      return user === null ? unknownUser(id) : shown(user, nowMs);
    }),
    PATCH: routes.write({ ...admins('changeUser', 'Changes what is named of an account; it counts at once'), response: userSchema }, change, async ({ path: [id], body: { disabled, ...body }, version, ...request }) =>
      shown(await accounts.ask({ kind: 'changeUser', id, version, change: { ...body, ...(disabled === undefined ? {} : { isDisabled: disabled }) }, by: changerOf(request) }), request.nowMs)),
    DELETE: routes.remove(admins('removeUser', 'Removes an account, and ends its log-ins'), NO_QUERY, async ({ path: [id], version, ...request }) => ({ document: await accounts.ask({ kind: 'removeUser', id, version, by: changerOf(request) }) })),
  });

  routes.serve(`${BASE}/:id/password-reset`, {
    POST: routes.write({ ...admins('resetPassword', 'Another password, which is shown once and has to be replaced; every log-in of the account ends'), response: newUserSchema, secretAnswer: true }, z.strictObject({}), async ({ path: [id], ...request }) => {
      const { user, oneTimePassword } = await accounts.ask({ kind: 'resetPassword', id, by: changerOf(request) });
      return { document: { user: userShape(user, request.nowMs), oneTimePassword } };
    }),
  });

  routes.serve(`${BASE}/:id/meters`, {
    PUT: routes.write({ ...admins('putUserMeters', 'Says which meters are somebody\'s, all of them, and when'), response: userSchema }, z.strictObject({ meters: metersField }), async ({ path: [id], body: { meters }, version, ...request }) =>
      shown(await accounts.ask({ kind: 'changeUser', id, version, change: { meters }, by: changerOf(request) }), request.nowMs)),
  });
}

function addAssignmentRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const assignment = z.strictObject({ user: z.string().min(1, 'expected the id or the address of a user').max(254, 'longer than any id or address').regex(/^[!-~]*$/, 'no id and no address has such characters'), meters: z.array(meterField).min(1, 'expected one meter at least'), assigned: z.boolean().default(true), ...heldFields }).refine(isHeldSpan, FAULT_UNTIL);
  const body = z.strictObject({
    assignments: z.array(assignment).min(1, 'expected one at least').refine((all) => all.reduce((sum, { meters }) => sum + meters.length, 0) <= ASSIGNMENTS_MAX, `expected ${ASSIGNMENTS_MAX} meters at most, in all`),
  });
  routes.serve('/api/v1/meter-assignments', {
    POST: routes.write({ ...admins('assignMeters', 'Gives meters to people for a time, or takes a time away, many at once; each is answered, and those that cannot be are left out'), response: assignmentsSchema, isBulk: true }, body, async ({ body: { assignments }, ...request }) => {
      const single = assignments.flatMap(({ user, meters, assigned: isAssigned, from, until }) => meters.map((meterId) => ({ user, meterId, from, until, isAssigned })));
      return { document: { data: await accounts.ask({ kind: 'assignMeters', assignments: single, by: changerOf(request) }) } };
    }),
  });
}

function shown(user: User, nowMs: number): Answer {
  return { document: userShape(user, nowMs), version: user.version, ...ofTime(user) };
}

function profile(user: User, nowMs: number): Answer {
  return { document: profileShape(user, nowMs), version: user.version, ...ofTime(user) };
}

/** What is theirs now may be another in a moment. */
function ofTime({ meters }: User): { changesByItself?: true } {
  return meters.every(({ from, until }) => from === null && until === null) ? {} : { changesByItself: true };
}

function unknownUser(id: string): Problem {
  return unknownThing('user', id, `GET ${BASE} lists them.`);
}
