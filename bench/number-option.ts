export interface NumberRange {
  min: number;
  max: number;
  whole?: boolean;
  /** What the number is multiplied with, such as 60,000 for minutes that are given and milliseconds that are wanted. */
  times?: number;
}

/** The number in an option of the command line, undefined when it was not given. Throws an error that names the option. */
export function numberOption(name: string, text: string | undefined, { min, max, whole = false, times = 1 }: NumberRange): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) throw new Error(`${name} takes a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not "${text}"`);
  return value * times;
}
