import type { Decision } from '../../model/alert.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import type { EscalationPolicy } from './rules.ts';

/** From level to level until somebody takes it: when the next is told, and who that is then. */

/** How far a group's escalation is. */
export interface EscalationStep {
  /** Levels told, over all rounds. */
  told: number;
  /** When the next is told; null: all have been, in every round. */
  dueAt: number | null;
}

/** After `told` levels. `pauseMs`: before a round begins again, where the policy itself has no pause at all. */
export function stepAfter(policy: EscalationPolicy, told: number, nowMs: number, pauseMs: number): EscalationStep {
  const { levels, rounds } = policy;
  if (told >= levels.length * rounds) return { told, dueAt: null };
  const level = levelOf(policy, told);
  let { after } = levels[level];
  // The first level follows the last of the round before: at once would be in the same breath.
  if (level === 0 && told > 0 && after === 0) after = Math.max(...levels.map((other) => other.after)) || pauseMs;
  return { told, dueAt: nowMs + after };
}

/** The level that is told after so many, from 0. */
export function levelOf({ levels }: EscalationPolicy, told: number): number {
  return told % levels.length;
}

/** No pause between two levels is longer. */
export function longestPause({ levels }: EscalationPolicy, pauseMs: number): number {
  return Math.max(...levels.map(({ after }) => after)) || pauseMs;
}

/** Who a notice is for. */
export interface Audience {
  contacts: string[];
  subscribers: boolean;
  /** How each target came to be somebody, or nobody. */
  decisions: Pick<Decision, 'step' | 'outcome' | 'reason' | 'contactId'>[];
}

export type People = Pick<PeopleDirectory, 'contact' | 'schedule' | 'onCall'>;

/** The targets of a policy's levels as they are at this time. */
export function audienceOf(targets: Iterable<string>, people: People, nowMs: number): Audience {
  const audience: Audience = { contacts: [], subscribers: false, decisions: [] };
  for (const target of new Set(targets)) {
    const [kind, id] = target.split(':', 2);
    if (kind === 'subscribers') audience.subscribers = true;
    else if (kind === 'contact') addContact(audience, people, id);
    else addOnCall(audience, people, id, nowMs);
  }
  audience.contacts = [...new Set(audience.contacts)];
  return audience;
}

function addContact(audience: Audience, people: People, id: string): void {
  const contact = people.contact(id);
  if (contact !== null) {
    audience.contacts.push(id);
    audience.decisions.push({ step: 'escalation', outcome: 'passed', reason: `The level names ${contact.name}.`, contactId: id });
  } else audience.decisions.push({ step: 'escalation', outcome: 'stopped', reason: `The level names contact ${id}, who does not exist.`, contactId: id });
}

function addOnCall(audience: Audience, people: People, id: string, nowMs: number): void {
  const schedule = people.schedule(id);
  const contactId = people.onCall(id, nowMs);
  const contact = contactId === null ? null : people.contact(contactId);
  if (contact !== null) {
    audience.contacts.push(contact.id);
    audience.decisions.push({ step: 'on_call', outcome: 'passed', reason: `${contact.name} is on call by schedule ${schedule?.name ?? id}.`, contactId: contact.id });
    return;
  }
  const reason = schedule === null ? `The level names schedule ${id}, which does not exist.` : `Nobody is on call by schedule ${schedule.name}.`;
  audience.decisions.push({ step: 'on_call', outcome: 'stopped', reason, contactId: null });
}
