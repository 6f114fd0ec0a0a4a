import type { CurveData } from './curve-picture.ts';

/** What a message is made of beside the notice and the person. */
export interface MessageContext {
  /** Of the worst alert's region or meter; null: there is none, or it is not at hand. The same object for all who are told of it is drawn once. */
  curve: CurveData | null;
  /** Where an alert is shown; null when the engine does not know its own address. */
  link(alertId: string): string | null;
  unsubscribeLink: string | null;
  nowMs: number;
  /** By which people name this message to each other; a few letters. */
  reference: string;
}
