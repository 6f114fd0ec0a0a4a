/** Every place of a request in which a text of the client's may stand, by the API's document: none that an operation gets later is forgotten. */

type JsonSchema = Record<string, any>;

export interface StringField {
  operation: string;
  in: 'body' | 'query' | 'path';
  /** Of a body its names on the way there, 0 for an element of a list and `*` for a name that the client chooses; else the name. */
  path: readonly (string | number)[];
}

export interface DocumentedOperation {
  id: string;
  tag: string;
  method: string;
  path: string;
  fields: readonly StringField[];
  /** Places of objects in its body. */
  objects: readonly (readonly (string | number)[])[];
}

/** A schema may name itself. */
const DEPTH_MAX = 12;

/** Operations of these methods, with their fields. */
export function operationsOf(document: JsonSchema, methods: readonly string[]): DocumentedOperation[] {
  return Object.entries<JsonSchema>(document.paths).flatMap(([path, item]) =>
    Object.entries<JsonSchema>(item)
      .filter(([method]) => methods.includes(method.toUpperCase()))
      .map(([method, { operationId: id, tags: [tag], parameters = [], requestBody }]) => {
        const places: Place[] = [];
        const schema = requestBody?.content['application/json']?.schema as JsonSchema | undefined;
        if (schema !== undefined) collect(document, schema, [], places);
        const named: StringField[] = parameters.filter(({ in: where }: JsonSchema) => where !== 'header').map(({ in: where, name }: JsonSchema) => ({ operation: id, in: where, path: [name] }));
        const inBody: StringField[] = distinct(places.filter(({ isText }) => isText)).map((place) => ({ operation: id, in: 'body', path: place }));
        return { id, tag, method: method.toUpperCase(), path, fields: [...named, ...inBody], objects: distinct(places.filter(({ isText }) => !isText)) };
      }),
  );
}

interface Place {
  path: readonly (string | number)[];
  isText: boolean;
}

function collect(document: JsonSchema, schema: JsonSchema | boolean, path: readonly (string | number)[], places: Place[]): void {
  if (typeof schema === 'boolean' || path.length > DEPTH_MAX) return;
  if (schema.$ref !== undefined) return collect(document, pointed(document, schema.$ref as string), path, places);
  for (const inner of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])] as JsonSchema[]) collect(document, inner, path, places);
  const types: string[] = [schema.type ?? []].flat();
  // What one of a few words stands for is text on the wire all the same.
  if (types.includes('string') || schema.enum !== undefined || schema.const !== undefined) places.push({ path, isText: true });
  if (schema.items !== undefined) collect(document, schema.items as JsonSchema, [...path, 0], places);
  if (types.includes('object') || schema.properties !== undefined) {
    places.push({ path, isText: false });
    for (const [name, inner] of Object.entries<JsonSchema>(schema.properties ?? {})) collect(document, inner, [...path, name], places);
    if (typeof schema.additionalProperties === 'object') collect(document, schema.additionalProperties as JsonSchema, [...path, '*'], places);
  }
}

function pointed(document: JsonSchema, reference: string): JsonSchema {
  return reference.slice(2).split('/').reduce((part, name) => part[decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~')] as JsonSchema, document);
}

function distinct(places: readonly Place[]): (readonly (string | number)[])[] {
  return [...new Map(places.map(({ path }) => [JSON.stringify(path), path])).values()];
}

/** The body with a value at a place; objects and lists on the way there come into being. */
export function withValue(body: unknown, [name, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (name === undefined) return value;
  if (typeof name === 'number') {
    const list: unknown[] = Array.isArray(body) && body.length > 0 ? [...body] : [undefined];
    list[name] = withValue(list[name], rest, value);
    return list;
  }
  const object = typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
  return { ...object, [name]: withValue(object[name], rest, value) };
}
