import { ANOMALY_KINDS, type AnomalyKind } from '../../model/anomaly.ts';

/** Keys of the shard's tables: big-endian, so that bytewise order is the order of the numbers. Each call gives a key of its own. */

/** Six bytes hold epoch milliseconds and log sequences until the year 10889. */
const U48 = 6;

/** [partition u16][page u32] */
export function pageKey(partition: number, page: number): Buffer {
  const key = Buffer.allocUnsafe(6);
  key.writeUInt16BE(partition, 0);
  key.writeUInt32BE(page, 2);
  return key;
}

/** [partition u16][page u32][hour of the day u8] */
export function profileKey(partition: number, page: number, hourOfDay: number): Buffer {
  return Buffer.concat([pageKey(partition, page), Buffer.of(hourOfDay)]);
}

/** [partition u16][page u32][granularity u8][window number u32][row in page u8]: a page's windows of one minute lie side by side. */
export function windowKey(partition: number, page: number, granularity: number, windowNumber: number, rowInPage: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt16BE(partition, 0);
  key.writeUInt32BE(page, 2);
  key[6] = granularity;
  key.writeUInt32BE(windowNumber, 7);
  key[11] = rowInPage;
  return key;
}

/** Makes a window's key that of another window of the same meter. */
export function setWindowKeyNumber(key: Buffer, windowNumber: number): void {
  key.writeUInt32BE(windowNumber, 7);
}

/** [partition u16][page u32][UTC day u32]: a page's days lie one after another. */
export function energyKey(partition: number, page: number, day: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  key.writeUInt16BE(partition, 0);
  key.writeUInt32BE(page, 2);
  key.writeUInt32BE(day, 6);
  return key;
}

export function energyKeyDay(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.length).getUint32(6);
}

/** [partition u16][page u32][minute u32][sequence u48]: the blocks of a page's minute lie side by side. */
export function samplesKey(partition: number, page: number, windowNumber: number, sequence: number): Buffer {
  const key = Buffer.allocUnsafe(10 + U48);
  key.writeUInt16BE(partition, 0);
  key.writeUInt32BE(page, 2);
  key.writeUInt32BE(windowNumber, 6);
  key.writeUIntBE(sequence, 10, U48);
  return key;
}

export function samplesKeyMinute(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.length).getUint32(6);
}

export function windowKeyParts(key: Uint8Array): { windowNumber: number; rowInPage: number } {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return { windowNumber: view.getUint32(7), rowInPage: key[11] };
}

export function windowKeyPlace(key: Uint8Array): { partition: number; page: number; granularity: number } {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return { partition: view.getUint16(0), page: view.getUint32(2), granularity: key[6] };
}

/** [region u16][granularity u8][window number u32] */
export function partKey(region: number, granularity: number, windowNumber: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key.writeUInt16BE(region, 0);
  key[2] = granularity;
  key.writeUInt32BE(windowNumber, 3);
  return key;
}

export function partKeyParts(key: Uint8Array): { region: number; granularity: number; windowNumber: number } {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return { region: view.getUint16(0), granularity: key[2], windowNumber: view.getUint32(3) };
}

/** [region u16] */
export function regionKey(region: number): Buffer {
  const key = Buffer.allocUnsafe(2);
  key.writeUInt16BE(region, 0);
  return key;
}

/** [startedAt u48][kind u8][meterId] */
export function anomalyKey(startedAt: number, kind: AnomalyKind, meterId: string): Buffer {
  const key = Buffer.allocUnsafe(U48 + 1 + meterId.length);
  key.writeUIntBE(startedAt, 0, U48);
  key[U48] = ANOMALY_KINDS.indexOf(kind);
  key.write(meterId, U48 + 1, 'latin1');
  return key;
}

export function anomalyKeyParts(key: Uint8Array): { startedAt: number; kind: AnomalyKind; meterId: string } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return { startedAt: bytes.readUIntBE(0, U48), kind: ANOMALY_KINDS[bytes[U48]], meterId: bytes.toString('latin1', U48 + 1) };
}

/** [meterId][0][startedAt u48][kind u8]: 0 is no id byte, so no meter's key is the beginning of another's. */
export function meterAnomalyKey(meterId: string, startedAt: number, kind: AnomalyKind): Buffer {
  const key = Buffer.allocUnsafe(meterId.length + 1 + U48 + 1);
  key.write(meterId, 0, 'latin1');
  key[meterId.length] = 0;
  key.writeUIntBE(startedAt, meterId.length + 1, U48);
  key[meterId.length + 1 + U48] = ANOMALY_KINDS.indexOf(kind);
  return key;
}

/** [time u48][sequence u48][position u32] */
export function deadLetterKey(receivedAt: number, sequence: number, position: number): Buffer {
  const key = Buffer.allocUnsafe(2 * U48 + 4);
  key.writeUIntBE(receivedAt, 0, U48);
  key.writeUIntBE(sequence, U48, U48);
  key.writeUInt32BE(position, 2 * U48);
  return key;
}

/** [sequence u48]: of a record of the log or of the outbox. */
export function sequenceKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(U48);
  key.writeUIntBE(sequence, 0, U48);
  return key;
}

/** [time u48]: where a range by time begins or ends. Clamped to what a key can hold. */
export function timeKey(timeMs: number): Buffer {
  const key = Buffer.allocUnsafe(U48);
  key.writeUIntBE(Math.min(Math.max(0, Math.floor(timeMs)), 2 ** 48 - 1), 0, U48);
  return key;
}
