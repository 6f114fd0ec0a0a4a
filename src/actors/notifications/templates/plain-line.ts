/** Text of alerts and people as one line: what a subject, a short message or a line of a plain mail may hold. */

/** Line breaks, control and invisible format characters and halves of characters become spaces, so that no text can begin a header or pretend to be another line, or turn the direction of what follows. */
export function plainLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, ' ').trim();
}

/** At most `charactersMax` code points; what was cut shows as an ellipsis. */
export function shortened(text: string, charactersMax: number): string {
  const characters = [...text];
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join('').trimEnd()}…`;
}
