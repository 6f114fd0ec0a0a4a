import type { BodyFormat } from '../actors/ingest/protocol.ts';
import type { Problem } from './problem-details.ts';

/** What a request says its body is. */

const FORMAT_OF_MEDIA_TYPE = new Map<string, BodyFormat>([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['application/vnd.msgpack', 'msgpack'],
]);

const SUPPORTED = 'application/json (one reading or an array), application/x-ndjson or application/msgpack';

/** The format that a Content-Type names, or the 415 for one that names none. Parameters other than charset are left out. */
export function formatOfContentType(contentType: string): BodyFormat | Problem {
  const plain = FORMAT_OF_MEDIA_TYPE.get(contentType);
  if (plain !== undefined) return plain;
  const [mediaType, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  if (mediaType === '') return unsupported(`The request has no Content-Type. Send ${SUPPORTED}.`);
  const format = FORMAT_OF_MEDIA_TYPE.get(mediaType);
  if (format === undefined) return unsupported(`Content-Type ${quoted(mediaType)} is not known here. Send ${SUPPORTED}.`);
  for (const parameter of parameters) {
    const charset = /^charset\s*=\s*"?([^"]*)"?$/.exec(parameter);
    if (charset !== null && charset[1] !== 'utf-8' && charset[1] !== 'utf8') {
      return unsupported(`The charset ${quoted(charset[1])} is not supported. Send UTF-8.`);
    }
  }
  return format;
}

export type ContentCoding = 'identity' | 'gzip';

/** The coding that a Content-Encoding names, or the 415 for any that is not undone here. */
export function codingOfContentEncoding(contentEncoding: string): ContentCoding | Problem {
  if (contentEncoding === '') return 'identity';
  const coding = contentEncoding.trim().toLowerCase();
  if (coding === 'identity') return 'identity';
  if (coding === 'gzip' || coding === 'x-gzip') return 'gzip';
  return unsupported(`Content-Encoding ${quoted(coding)} is not supported. Send gzip or none.`);
}

function unsupported(detail: string): Problem {
  return { status: 415, code: 'unsupported_media_type', detail };
}

/** Characters of a header that a message repeats. */
const QUOTED_CHARS_MAX = 40;

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, QUOTED_CHARS_MAX));
}
