import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EnergyBlockEditor, energyRows, QUARTERS_PER_DAY, readEnergyRow } from '../../src/actors/shard/energy-block.ts';
import { QUARTER_QUALITY } from '../../src/model/determinants.ts';

const { estimated, measured } = QUARTER_QUALITY;
const allocate = (length: number): Uint8Array => new Uint8Array(length);

const microKwh = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.integer({ min: -2_000, max: 5_000 }).map((wattHours) => wattHours * 1_000),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
  fc.constantFrom(0, 63, 64, -64, -65, 8_191, 8_192, 1_048_575, 1_048_576, 2 ** 27 - 1, 2 ** 27, 2 ** 30 - 1, 2 ** 30, -(2 ** 30) - 1, 250_000_000_000, -250_000_000_000, 900_000_000_000_000, 900_000_000_000_001, -900_000_000_000_000),
);
const change = fc.record({ row: fc.nat({ max: 63 }), quarter: fc.nat({ max: 95 }), microKwh, quality: fc.constantFrom(estimated, measured) });
/** Some days are whole, as most of a fleet's are. */
const wholeDay = fc.record({ row: fc.nat({ max: 63 }), values: fc.array(microKwh, { minLength: 96, maxLength: 96 }), quality: fc.constantFrom(estimated, measured) });

function readAll(block: Uint8Array): Map<string, [number, number]> {
  const rows = energyRows(block);
  const found = new Map<string, [number, number]>();
  for (let row = 0; row < rows; row++) {
    const energy = new Float64Array(QUARTERS_PER_DAY);
    const quality = new Uint8Array(QUARTERS_PER_DAY);
    readEnergyRow(block, row, 0, QUARTERS_PER_DAY, 0, energy, quality);
    energy.forEach((value, quarter) => {
      if (quality[quarter] !== 0) found.set(`${row}/${quarter}`, [value, quality[quarter]]);
    });
  }
  return found;
}

it('holds what a map of the same changes holds, block after block', () => {
  const editor = new EnergyBlockEditor();
  fc.assert(
    fc.property(fc.array(wholeDay, { maxLength: 4 }), fc.array(fc.array(change, { maxLength: 40 }), { minLength: 1, maxLength: 5 }), (days, groups) => {
      const expected = new Map<string, [number, number]>();
      let block: Uint8Array | undefined;
      for (const group of [days.flatMap(({ row, values, quality }) => values.map((value, quarter) => ({ row, quarter, microKwh: value, quality }))), ...groups]) {
        editor.load(block);
        for (const { row, quarter, microKwh, quality } of group) {
          editor.set(row, quarter, microKwh, quality);
          expected.set(`${row}/${quarter}`, [microKwh, quality]);
        }
        block = editor.encode(allocate);
        expect(new Map([...readAll(block)].sort())).toEqual(new Map([...expected].sort()));
      }
    }),
    { numRuns: 300 },
  );
});

it('says the same where the day goes on, quarter-hour by quarter-hour, as all at once', () => {
  const editor = new EnergyBlockEditor();
  const meter = fc.record({ row: fc.nat({ max: 63 }), first: fc.nat({ max: 90 }), unit: fc.constantFrom(1, 10, 1_000, 1_000_000), values: fc.array(fc.record({ units: fc.integer({ min: -9_000, max: 300_000 }), isOdd: fc.boolean(), skips: fc.constantFrom(0, 0, 0, 0, 0, 1), quality: fc.constantFrom(measured, measured, measured, measured, estimated) }), { minLength: 1, maxLength: 30 }), perBlock: fc.integer({ min: 1, max: 3 }) });
  fc.assert(
    fc.property(fc.uniqueArray(meter, { selector: ({ row }) => row, minLength: 1, maxLength: 5 }), (meters) => {
      const all = meters.flatMap(({ row, first, unit, values, perBlock }) => {
        let quarter = first - 1;
        return values.flatMap(({ units, isOdd, skips, quality }, i) => {
          quarter += 1 + skips;
          return quarter > 95 ? [] : [{ row, quarter, block: Math.floor(i / perBlock), microKwh: isOdd && i % 7 === 6 ? units : units * unit, quality }];
        });
      });
      let block: Uint8Array | undefined;
      for (let step = 0; step < 30; step++) {
        editor.load(block);
        for (const one of all) if (one.block === step) editor.set(one.row, one.quarter, one.microKwh, one.quality);
        block = editor.encode(allocate);
      }
      editor.load(undefined);
      for (const { row, quarter, microKwh, quality } of all) editor.set(row, quarter, microKwh, quality);
      expect(block).toEqual(editor.encode(allocate));
    }),
    { numRuns: 500 },
  );
});

it('says the same in the same bytes, whatever the way there', () => {
  const editor = new EnergyBlockEditor();
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 60 }), fc.nat(), (changes, cut) => {
      const newest = [...new Map(changes.map((one) => [`${one.row}/${one.quarter}`, one])).values()];
      const write = (block: Uint8Array | undefined, part: typeof changes): Uint8Array => {
        editor.load(block);
        for (const { row, quarter, microKwh, quality } of part) editor.set(row, quarter, microKwh, quality);
        return editor.encode(allocate);
      };
      const at = cut % changes.length;
      expect(write(write(undefined, changes.slice(0, at)), changes.slice(at))).toEqual(write(undefined, newest.reverse()));
    }),
  );
});

it('reads a piece of a day and leaves the rest alone', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), fc.option(wholeDay), fc.nat({ max: 96 }), fc.nat({ max: 96 }), (some, day, a, b) => {
      const whole = day === null ? [] : day.values.map((value, quarter) => ({ quarter, microKwh: value, quality: day.quality }));
      // A day known alike is read in another way than one with gaps.
      const changes = day === null ? some : whole.slice(0, 96 - (some.length % 20));
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const editor = new EnergyBlockEditor();
      editor.load(undefined);
      for (const { quarter, microKwh, quality } of changes) editor.set(5, quarter, microKwh, quality);
      const block = editor.encode(allocate);
      const all = readAll(block);
      const energy = new Float64Array(100).fill(-7);
      const quality = new Uint8Array(100).fill(9);
      const count = readEnergyRow(block, 5, from, to, 2, energy, quality);
      expect(count).toBe([...all.keys()].map((key) => Number(key.split('/')[1])).filter((quarter) => quarter >= from && quarter < to).length);
      for (let i = 0; i < 100; i++) {
        const found = i - 2 >= from && i - 2 < to ? all.get(`5/${i - 2}`) : undefined;
        expect([energy[i], quality[i]]).toEqual(found ?? [-7, 9]);
      }
      readEnergyRow(block, 63, 0, 96, 0, energy, quality);
    }),
    { numRuns: 200 },
  );
});

it('takes two bytes a quarter-hour where a meter counts watt-hours', () => {
  const editor = new EnergyBlockEditor();
  editor.load(undefined);
  for (let row = 0; row < 64; row++) for (let quarter = 0; quarter < 96; quarter++) editor.set(row, quarter, (100 + ((row * 31 + quarter * 17) % 700)) * 1_000, measured);
  // And five for each meter.
  expect(editor.encode(allocate).length).toBe(64 * (96 * 2 + 5) + 2);
});

it('refuses what is no block', () => {
  expect(() => energyRows(new Uint8Array(0))).toThrow(/damaged/);
  expect(() => energyRows(Uint8Array.of(1, 1, 9, 0))).toThrow(/damaged/);
  expect(() => energyRows(Uint8Array.of(1, 65))).toThrow(/damaged/);
  expect(() => energyRows(Uint8Array.of(2, 0))).toThrow(/format 2/);
});
