import type { DecodedReading } from '../../model/decoded-reading.ts';
import { murmur2 } from '../../model/ids.ts';
import type { DeviceScope } from '../accounts/protocol.ts';
import { IdSet } from './id-set.ts';

/** What a device key may send readings of, where that is not everything. */
export class ReadingScope {
  /** For whoever sent what lies outside. */
  readonly message: string;
  private readonly ids: IdSet;
  private readonly isOfMeters: boolean;

  constructor(scope: Exclude<DeviceScope, 'all'>) {
    this.isOfMeters = 'meters' in scope;
    this.ids = new IdSet('meters' in scope ? scope.meters : scope.regions);
    this.message = `the device key may not send readings of this ${this.isOfMeters ? 'meter' : 'region'}`;
  }

  reaches({ meterId, meterIdLength, meterHash, region, regionLength }: DecodedReading): boolean {
    if (this.isOfMeters) return this.ids.has(meterId, meterIdLength, meterHash);
    return this.ids.has(region, regionLength, murmur2(region, 0, regionLength));
  }
}
