import type { BodyDecoder } from './actor.ts';
import { JsonReadingDecoder } from './json-decoder.ts';
import { MsgpackReadingDecoder } from './msgpack-decoder.ts';

/** The decoder of every format the ingest port takes; one per ingest thread, as each keeps a buffer of its own. */
export function createBodyDecoder(): BodyDecoder {
  const json = new JsonReadingDecoder();
  const msgpack = new MsgpackReadingDecoder();
  return (body, format, nowMs, sink) => {
    switch (format) {
      case 'json':
        return json.decodeJson(body, nowMs, sink);
      case 'ndjson':
        return json.decodeNdjson(body, nowMs, sink);
      case 'msgpack':
        return msgpack.decodeMsgpack(body, nowMs, sink);
    }
  };
}
