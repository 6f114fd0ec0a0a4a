import type { NotificationAnswers, NotificationQuestion } from '../notifications/protocol.ts';
import type { NewId, PeopleDirectory } from './people-directory.ts';

/** Questions that the directory alone can answer. */

const PEOPLE_QUESTIONS = [
  'contacts',
  'contact',
  'makeContact',
  'changeContact',
  'removeContact',
  'resumeChannel',
  'schedules',
  'schedule',
  'makeSchedule',
  'changeSchedule',
  'removeSchedule',
  'override',
  'removeOverride',
  'onCall',
] as const;

export type PeopleQuestion = Extract<NotificationQuestion, { kind: (typeof PEOPLE_QUESTIONS)[number] }>;
export type PeopleAnswer = NotificationAnswers[PeopleQuestion['kind']];

export function isPeopleQuestion(question: NotificationQuestion): question is PeopleQuestion {
  return (PEOPLE_QUESTIONS as readonly string[]).includes(question.kind);
}

/** Answers, or does what is asked; the change is in memory, to be flushed and committed before the answer is given out. Throws what PeopleDirectory throws. */
export function answerPeople(people: PeopleDirectory, question: PeopleQuestion, nowMs: number, newId: NewId): PeopleAnswer {
  switch (question.kind) {
    case 'contacts':
      return people.contactsPage(question.limit, question.cursor);
    case 'contact':
      return people.contact(question.id);
    case 'makeContact':
      return people.makeContact(question.contact, nowMs, newId);
    case 'changeContact':
      return people.changeContact(question.id, question.version, question.change, nowMs);
    case 'removeContact':
      people.removeContact(question.id, question.version, nowMs);
      return null;
    case 'resumeChannel':
      return people.resubscribe(question.id, question.version, question.channel, nowMs);
    case 'schedules':
      return people.schedulesPage(question.limit, question.cursor);
    case 'schedule':
      return people.schedule(question.id);
    case 'makeSchedule':
      return people.makeSchedule(question.schedule, nowMs, newId);
    case 'changeSchedule':
      return people.changeSchedule(question.id, question.version, question.change, nowMs);
    case 'removeSchedule':
      people.removeSchedule(question.id, question.version);
      return null;
    case 'override':
      return people.override(question.scheduleId, question.version, question.override, nowMs, newId);
    case 'removeOverride':
      return people.removeOverride(question.scheduleId, question.overrideId, question.version, nowMs);
    case 'onCall':
      return people.onCallTurns(question.scheduleId, question.from, question.to);
  }
}
