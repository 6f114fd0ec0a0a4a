/** Questions to an issuer of tokens, whose answers are read to a bound and no further. */

/** A document of discovery has some kilobytes; keys and tokens have less. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** As fetch, but for answers without an end, which are not read to it. */
export async function boundedFetch(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options);
  const text = await boundedText(answer);
  return new Response(text === '' ? null : text, { status: answer.status, headers: answer.headers });
}

async function boundedText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer has more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}
