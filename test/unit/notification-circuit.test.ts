import { describe, expect, test } from 'vitest';
import { ATTEMPT_BACK_OFF, backOffMs } from '../../src/actors/notifications/back-off.ts';
import { Circuit, CIRCUIT_FAILURES, CIRCUIT_OPEN_MAX_MS, CIRCUIT_OPEN_MIN_MS } from '../../src/actors/notifications/circuit.ts';

const most = (): number => 0.999999;

function opened(): Circuit {
  const circuit = new Circuit();
  for (let i = 1; i <= CIRCUIT_FAILURES; i++) expect(circuit.failed(false, 0, most)).toBe(i === CIRCUIT_FAILURES);
  return circuit;
}

describe('a circuit', () => {
  test('opens after failures in a row, not after as many with an answer between', () => {
    const circuit = new Circuit();
    for (let i = 0; i < 3 * CIRCUIT_FAILURES; i++) {
      if (i % (CIRCUIT_FAILURES - 1) === 0) circuit.succeeded();
      circuit.failed(false, 0, most);
    }
    expect(circuit).toMatchObject({ state: 'closed', isSuspect: true, probeAtMs: Infinity });
    expect(circuit.begin(0)).toBe('go');
    expect(opened().state).toBe('open');
  });

  test('lets one probe through when its time has come, and closes by it', () => {
    const circuit = opened();
    expect(circuit.probeAtMs).toBe(CIRCUIT_OPEN_MIN_MS - 1);
    expect([circuit.wouldAdmit(circuit.probeAtMs - 1), circuit.begin(circuit.probeAtMs - 1)]).toEqual([false, 'no']);
    expect(circuit.begin(CIRCUIT_OPEN_MIN_MS)).toBe('probe');
    expect([circuit.state, circuit.wouldAdmit(Infinity), circuit.begin(Infinity), circuit.probeAtMs]).toEqual(['half_open', false, 'no', Infinity]);
    circuit.succeeded();
    expect([circuit.state, circuit.begin(CIRCUIT_OPEN_MIN_MS), circuit.isSuspect]).toEqual(['closed', 'go', false]);
  });

  test('waits twice as long after each probe that fails, up to a bound; what went before it opened changes nothing', () => {
    const circuit = opened();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const at = circuit.probeAtMs;
      expect(circuit.begin(at)).toBe('probe');
      expect(circuit.failed(false, at, most)).toBe(false);
      expect(circuit.state).toBe('half_open');
      expect(circuit.failed(true, at, most)).toBe(false);
      waits.push(Math.ceil((circuit.probeAtMs - at) / 1_000));
    }
    expect(waits.slice(0, 4)).toEqual([30, 60, 120, 240]);
    expect(waits.at(-1)).toBe(CIRCUIT_OPEN_MAX_MS / 1_000);
  });

  test('waits at least half of it, and moves with the clock', () => {
    const circuit = new Circuit();
    for (let i = 0; i < CIRCUIT_FAILURES; i++) circuit.failed(false, 1_000_000, () => 0);
    expect(circuit.probeAtMs).toBe(1_000_000 + CIRCUIT_OPEN_MIN_MS / 2);
    circuit.clockMoved(-900_000);
    expect(circuit.probeAtMs).toBe(100_000 + CIRCUIT_OPEN_MIN_MS / 2);
  });
});

describe('back-off', () => {
  test('is anything from 0 to a time that doubles up to its bound', () => {
    expect(backOffMs(ATTEMPT_BACK_OFF, 9, () => 0)).toBe(0);
    expect([1, 2, 3, 8, 9, 1_000].map((failures) => backOffMs({ minMs: 1_000, maxMs: 250_000 }, failures, most))).toEqual([999, 1_999, 3_999, 127_999, 249_999, 249_999]);
    expect(backOffMs({ minMs: 1_000, maxMs: 250_000 }, 3, () => 0.5)).toBe(2_000);
  });
});
