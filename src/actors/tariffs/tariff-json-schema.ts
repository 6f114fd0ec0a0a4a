import { z } from 'zod';
import { tariffSchema } from './tariff-document.ts';

/** The JSON Schema of a tariff document, for editors and other programs. It has the form of each field; what several fields say together only tariff-check knows. */
export function tariffJsonSchema(): Record<string, unknown> {
  // Names of the API's document, where somebody has loaded that, are none of this one.
  return { ...z.toJSONSchema(tariffSchema, { io: 'input', metadata: z.registry() }), title: 'Tariff of Smart Energy Grid' };
}
