/** The text with what steers a terminal, or turns the direction of a line, written out as `\u001b`: an engine's answer may repeat what a stranger sent. Line ends and tabs stay. */
export function terminalText(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
