/** Texts of outcomes are kept, shown and logged: one line, bounded, and no secret in them, whatever a provider repeats in its answer. */

/** Characters: a sentence or two. */
export const OUTCOME_TEXT_MAX = 300;
/** What stands in a secret's place. */
const HIDDEN = '•••';
/** Shorter ones would hide parts of words, and protect nothing. */
const SECRET_LENGTH_MIN = 4;

export class OutcomeText {
  private readonly secrets: string[];

  /** `secrets` are hidden as they are, in base 64 and as URLs write them. */
  constructor(secrets: readonly string[]) {
    const forms = secrets.filter((secret) => secret.length >= SECRET_LENGTH_MIN).flatMap(formsOf);
    // Longest first: a secret that begins another would leave the rest of it.
    this.secrets = [...new Set(forms)].sort((a, b) => b.length - a.length);
  }

  clean(text: string, moreSecrets: readonly string[] = []): string {
    let clean = text;
    for (const secret of moreSecrets.length === 0 ? this.secrets : [...new OutcomeText(moreSecrets).secrets, ...this.secrets]) clean = clean.replaceAll(secret, HIDDEN);
    // Control characters and line ends of every alphabet.
    clean = clean.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
    return clean.length > OUTCOME_TEXT_MAX ? `${clean.slice(0, OUTCOME_TEXT_MAX - 1).replace(/[\ud800-\udbff]$/, '')}…` : clean;
  }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // By way of its bytes: half a character has no form in a URL.
  return [secret, bytes.toString('base64').replace(/=+$/, ''), encodeURIComponent(bytes.toString())];
}
