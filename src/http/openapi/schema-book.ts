import { z } from 'zod';
import { NOT_BLANK } from '../../model/plain-text.ts';
import { addExamples } from './field-examples.ts';
import type { JsonSchema } from './json-schema.ts';

/** Schemas of the API's document, made of those that check what comes and what goes: what has a name is written once, under components. */

/** What to write in the place of a schema whose words JSON Schema does not have, as text that becomes a number. */
export const WRITTEN_AS = z.registry<JsonSchema>();

export class SchemaBook {
  /** By name. */
  readonly components: Record<string, JsonSchema> = {};

  /** What goes out: documents may get further fields, so nothing is said about those. */
  answer(schema: z.ZodType): JsonSchema {
    return this.write(schema, 'output', (name) => name);
  }

  /** What comes in: before defaults are filled in and text is read. */
  request(schema: z.ZodType): JsonSchema {
    return this.write(schema, 'input', (name) => `New${name}`);
  }

  /** What a name stands for, if it is one. */
  resolved(schema: JsonSchema): JsonSchema {
    return typeof schema.$ref === 'string' ? this.components[schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)] : schema;
  }

  private write(schema: z.ZodType, io: 'input' | 'output', rename: (name: string) => string): JsonSchema {
    // As a field of something, so that a name of its own becomes one too.
    const { properties, $defs = {} } = z.toJSONSchema(z.object({ it: schema }), { io, unrepresentable: 'any', override: ({ zodSchema, jsonSchema }) => plain(zodSchema, jsonSchema as JsonSchema, io) }) as unknown as {
      properties: { it: JsonSchema };
      $defs?: Record<string, JsonSchema>;
    };
    const renamed = <T>(part: T): T => JSON.parse(JSON.stringify(part, (key, value: unknown) => (key === '$ref' && typeof value === 'string' ? `#/components/schemas/${rename(value.replace('#/$defs/', ''))}` : value))) as T;
    const written = renamed(properties.it);
    const named = Object.entries($defs).map(([name, definition]) => [rename(name), renamed(definition)] as const);
    if (io === 'input') for (const part of [written, ...named.map(([, definition]) => definition)]) addExamples(part);
    for (const [name, definition] of named) this.components[name] = definition;
    return written;
  }
}

/** Text of some characters with something to read in it, which are two patterns where it is checked, as one: readers of the document make examples of it. */
function mergePatterns(written: JsonSchema): void {
  const patterns = ((written.allOf ?? []) as { pattern?: string }[]).map(({ pattern }) => pattern);
  const [, excluded] = /^\^\[\^(.+)\]\*\$$/.exec(patterns.find((pattern) => pattern !== NOT_BLANK.source) ?? '') ?? [];
  if (patterns.length !== 2 || !patterns.includes(NOT_BLANK.source) || excluded === undefined) return;
  delete written.allOf;
  written.pattern = `^[^${excluded}]*[^${excluded}\\s][^${excluded}]*$`;
}

function plain(zodSchema: z.core.$ZodType, written: JsonSchema, io: 'input' | 'output'): void {
  const instead = WRITTEN_AS.get(zodSchema as z.ZodType);
  if (instead !== undefined) {
    for (const key of Object.keys(written)) delete written[key];
    Object.assign(written, instead);
  }
  mergePatterns(written);
  // A default is what comes of reading the text, which is what is written here.
  if (zodSchema instanceof z.ZodDefault && WRITTEN_AS.has(zodSchema.def.innerType as z.ZodType)) written.default = zodSchema.def.defaultValue;
  // What a double counts to one by one goes without saying where it comes from here; whoever writes may have larger ones.
  if (io === 'output' && written.maximum === Number.MAX_SAFE_INTEGER) delete written.maximum;
  if (written.minimum === Number.MIN_SAFE_INTEGER) delete written.minimum;
  if (io === 'output' && written.additionalProperties === false) delete written.additionalProperties;
}
