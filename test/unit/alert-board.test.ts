import { describe, expect, test } from 'vitest';
import { AlertBoard } from '../../src/engine/alert-board.ts';
import { ALERTS_ACTIVE_MAX } from '../../src/http/live-protocol.ts';
import type { Alert } from '../../src/model/alert.ts';
import { exampleAlert } from '../support/example-alerts.ts';

function numbered(number: number): Alert {
  return exampleAlert({ id: `a${number}`, openedAt: 1_000 + number });
}

const ids = (alerts: readonly Alert[]) => alerts.map(({ id }) => id);

describe('the board of active alerts', () => {
  test('shows the newest first, whatever came when, each as it is now', () => {
    const board = new AlertBoard();
    board.note([numbered(1), numbered(3), numbered(2)]);
    board.note([{ ...numbered(1), state: 'acknowledged' }]);
    expect(ids(board.newest())).toEqual(['a3', 'a2', 'a1']);
    expect(board.newest()[2].state).toBe('acknowledged');
  });

  test('lets a resolved one go and tells of it', () => {
    const board = new AlertBoard();
    const told: string[][] = [];
    const stop = board.onAlerts((changed) => told.push(ids(changed)));
    board.note([numbered(1), numbered(2)]);
    board.note([{ ...numbered(1), state: 'resolved' }]);
    stop();
    board.note([numbered(3)]);
    expect(told).toEqual([['a1', 'a2'], ['a1']]);
    expect(ids(board.newest())).toEqual(['a3', 'a2']);
  });

  test('is bounded, keeps the newest, and says when older ones are missed', () => {
    const board = new AlertBoard();
    const storm = Array.from({ length: 12 * ALERTS_ACTIVE_MAX }, (_, number) => numbered(number));
    for (const alert of storm) board.note([alert]);
    expect(ids(board.newest())).toEqual(ids(storm.slice(-ALERTS_ACTIVE_MAX).reverse()));
    expect(board.isShort).toBe(false);
    for (const alert of storm.slice(-10.5 * ALERTS_ACTIVE_MAX)) board.note([{ ...alert, state: 'resolved' }]);
    expect(board.isShort).toBe(true);
    board.replace([numbered(5), numbered(4)], true);
    expect(board.isShort).toBe(false);
    expect(ids(board.newest())).toEqual(['a5', 'a4']);
  });

  test('that is replaced by the first page of many knows that it is not all', () => {
    const board = new AlertBoard();
    board.replace([numbered(5)], false);
    expect(board.isShort).toBe(true);
  });
});
