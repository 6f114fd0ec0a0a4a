import { z } from 'zod';
import type { NewContact } from '../actors/notifications/protocol.ts';
import { contactChangeSchema, newContactSchema, newPreferencesSchema } from '../actors/people/contact-rules.ts';
import { CHANNEL_NAMES, type Contact } from '../model/contact.ts';
import { anyObject, bodyFaults, invalidBody } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { mergedJson } from './json-merge.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { contactSchema, preferencesSchema } from './people-schemas.ts';
import { contactShape } from './people-shapes.ts';
import type { Problem } from './problem-details.ts';
import { cursorParameter, isProblem, limitParameter } from './query-parameters.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/contacts';
export const peopleListQuery = z.object({ limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });

/** /api/v1/contacts: people, their addresses and how they want to be told. */
export function addContactRoutes(routes: GatewayRoutes): void {
  const { alerts } = routes;

  routes.serve(BASE, {
    GET: routes.read({ id: 'listContacts', summary: 'People who are told of alerts', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: pageOf(contactSchema) }, peopleListQuery, async ({ query: { limit, cursor = null } }) => ({ document: pageShape(await alerts.ask({ kind: 'contacts', limit, cursor }), contactShape) })),
    POST: routes.write({ id: 'createContact', summary: 'A new contact', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: contactSchema, creates: true }, newContactSchema, async ({ body }) => {
      const contact = await alerts.ask({ kind: 'makeContact', contact: body });
      return { ...shown(contact), location: `${BASE}/${encodeURIComponent(contact.id)}` };
    }),
  });

  /** Changes some fields of a contact; `change` says what of it is to be as it will be then. */
  async function alter(id: string, version: number | null, change: (contact: Contact) => Partial<NewContact> | Problem): Promise<Contact | Problem> {
    const contact = await alerts.ask({ kind: 'contact', id });
    if (contact === null) return unknownContact(id);
    const changed = change(contact);
    if (isProblem(changed)) return changed;
    // What it was made of has to be what it replaces, also for a client that named no version.
    return alerts.ask({ kind: 'changeContact', id, version: version ?? contact.version, change: changed });
  }

  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ id: 'getContact', summary: 'A contact', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: contactSchema }, z.object({}), async ({ path: [id] }) => {
      const contact = await alerts.ask({ kind: 'contact', id });
      return contact === null ? unknownContact(id) : shown(contact);
    }),
    PATCH: routes.write({ id: 'changeContact', summary: 'Changes what is named of a contact', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: contactSchema, request: contactChangeSchema }, anyObject, async ({ path: [id], body, version }) => {
      const contact = await alter(id, version, (before) => patched(before, body));
      return isProblem(contact) ? contact : shown(contact);
    }),
    DELETE: routes.remove({ id: 'removeContact', summary: 'Removes a contact', tag: 'People', access: { roles: OPERATORS, scope: 'none' } }, z.object({}), async ({ path: [id], version }) => ({ document: await alerts.ask({ kind: 'removeContact', id, version }) })),
  });

  // Of a channel that the person, or a provider in their name, has stopped.
  routes.serve(`${BASE}/:id/unsubscribed/:channel`, {
    DELETE: routes.remove({ id: 'resumeChannel', summary: 'Turns a channel on again that the contact, or a provider, has stopped', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: contactSchema }, z.object({}), async ({ path: [id, name], version }) => {
      const channel = CHANNEL_NAMES.find((known) => known === name);
      return channel === undefined ? unknownThing('channel', name, `They are ${CHANNEL_NAMES.join(', ')}.`) : shown(await alerts.ask({ kind: 'resumeChannel', id, version, channel }));
    }),
  });

  routes.serve(`${BASE}/:id/preferences`, {
    GET: routes.read({ id: 'getPreferences', summary: 'How a contact wants to be told', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: preferencesSchema }, z.object({}), async ({ path: [id] }) => {
      const contact = await alerts.ask({ kind: 'contact', id });
      return contact === null ? unknownContact(id) : { document: contact.preferences, version: contact.version };
    }),
    PUT: routes.write({ id: 'putPreferences', summary: 'Replaces how a contact wants to be told', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: preferencesSchema, request: newPreferencesSchema }, anyObject, async ({ path: [id], body, version }) => {
      const contact = await alter(id, version, (before) => withPreferences(before, body));
      return isProblem(contact) ? contact : { document: contact.preferences, version: contact.version };
    }),
  });
}

function shown(contact: Contact): Answer {
  return { document: contactShape(contact), version: contact.version };
}

function unknownContact(id: string): Problem {
  return unknownThing('contact', id, `GET ${BASE} lists them.`);
}

function fieldsOf({ name, zone, locale, addresses, preferences }: Contact): NewContact {
  return { name, zone, locale, addresses, preferences };
}

/** What is named changes; a webhook's secret, which no answer shows, and everything else stays. */
function patched(contact: Contact, change: object): Partial<NewContact> | Problem {
  const parsed = newContactSchema.safeParse(mergedJson(fieldsOf(contact), change));
  if (!parsed.success) return invalidBody(bodyFaults(parsed.error));
  return Object.fromEntries(Object.entries(parsed.data).filter(([name]) => Object.hasOwn(change, name)));
}

function withPreferences(contact: Contact, preferences: object): Partial<NewContact> | Problem {
  const parsed = newContactSchema.safeParse({ ...fieldsOf(contact), preferences });
  // Of the body the preferences are the whole.
  if (!parsed.success) return invalidBody(bodyFaults(parsed.error).map(({ path, message }) => ({ path: path.replace(/^preferences\.?/, ''), message })));
  return { preferences: parsed.data.preferences };
}
