/** Days of ISO 8601 in some years as a pattern, so that the API's document says which: JSON Schema's own dates have no bounds. `years` and `leapYears`: what four figures may be, as in a regular expression. */
export function dayPattern(years: string, leapYears: string): RegExp {
  return new RegExp(`^((${years})-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))|(${leapYears})-02-29)$`);
}
