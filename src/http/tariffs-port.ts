import type { TariffAnswers, TariffQuestion } from '../actors/tariffs/protocol.ts';
import type { PaperLanguage } from '../actors/tariffs/papers/paper-words.ts';
import type { Invoice } from '../model/billing.ts';
import { OperationalError } from '../runtime/errors.ts';

/**
 * What the gateway asks of the tariff supervisor. Every promise settles. Rejections are OperationalErrors: the codes beside each question (supervisor-refusals.ts has their statuses), `deadline`, or a retryable one
 * while its thread is away.
 */
export interface TariffsPort {
  ask<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }): Promise<TariffAnswers[Kind]>;
  /** The bill as PDF; `numbers` by id are those of the invoices that it names. Rejects as retryable while as many are being printed as are allowed. */
  print(invoice: Invoice, language: PaperLanguage, numbers: Readonly<Record<string, string>>): Promise<Uint8Array>;
}

function refuse(): Promise<never> {
  return Promise.reject(new OperationalError('billing_off', 'this engine runs without tariffs and bills'));
}

/** In the place of the supervisor in an engine that runs without it. */
export const BILLING_OFF: TariffsPort = { ask: refuse, print: refuse };
