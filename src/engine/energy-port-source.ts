import type { EnergySource } from '../actors/tariffs/energy-source.ts';
import { DeterminantsOfParts } from '../model/determinants-row.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Requester } from '../runtime/request-channel.ts';
import type { EnergyAnswers, EnergyQuestion, EnergyReply } from './billing-ports.ts';
import type { EnergyParts } from './energy-link.ts';

/** The energy of the shards as another thread asks the main thread for it, and as that answers. */

export class EnergyPortSource implements EnergySource {
  private readonly deadlineMs: number;
  private requester: Requester<EnergyQuestion, EnergyReply> | null = null;

  constructor(options: { deadlineMs: number }) {
    this.deadlineMs = options.deadlineMs;
  }

  /** The main thread is there. */
  connect(requester: Requester<EnergyQuestion, EnergyReply>): void {
    this.requester?.close();
    this.requester = requester;
  }

  close(): void {
    this.requester?.close();
    this.requester = null;
  }

  async meters(after: string | null, limit: number): ReturnType<EnergySource['meters']> {
    const { meterIds, regions, next } = await this.ask<'meters'>({ kind: 'meters', after, limit });
    return { meters: meterIds.map((meterId, i) => ({ meterId, region: regions[i] })), next };
  }

  place(meterId: string): Promise<EnergyAnswers['place']> {
    return this.ask<'place'>({ kind: 'place', meterId });
  }

  async determinants(meterIds: readonly string[], planOf: Uint8Array, plans: Parameters<EnergySource['determinants']>[2]): ReturnType<EnergySource['determinants']> {
    return new DeterminantsOfParts(await this.ask<'determinants'>({ kind: 'determinants', meterIds, planOf, plans }), planOf, plans);
  }

  quarters(meterId: string, from: number, to: number): Promise<EnergyAnswers['quarters']> {
    return this.ask<'quarters'>({ kind: 'quarters', meterId, from, to });
  }

  regionPeak(region: string, from: number, to: number): Promise<EnergyAnswers['regionPeak']> {
    return this.ask<'regionPeak'>({ kind: 'regionPeak', region, from, to });
  }

  private ask<K extends EnergyQuestion['kind']>(question: Extract<EnergyQuestion, { kind: K }>): Promise<EnergyAnswers[K]> {
    if (this.requester === null) return Promise.reject(new OperationalError('unavailable', 'bills are not connected to the meters yet; try again shortly', { retryable: true }));
    return this.requester.request(question, { deadlineMs: this.deadlineMs }) as Promise<EnergyAnswers[K]>;
  }
}

export async function answerEnergy(source: EnergyParts, question: EnergyQuestion): Promise<EnergyReply> {
  switch (question.kind) {
    case 'meters': {
      const { meters, next } = await source.meters(question.after, question.limit);
      return { meterIds: meters.map(({ meterId }) => meterId), regions: meters.map(({ region }) => region), next };
    }
    case 'place':
      return source.place(question.meterId);
    case 'determinants':
      return source.determinantParts(question.meterIds, question.planOf, question.plans);
    case 'quarters':
      return source.quarters(question.meterId, question.from, question.to);
    case 'regionPeak':
      return source.regionPeak(question.region, question.from, question.to);
  }
}
