import type { ServedOperation } from '../gateway-routes.ts';
import type { JsonSchema } from './json-schema.ts';

/** Links of the API's document, made of the paths as they are served: what was made to all that can be done with it, the first row of a list to what shows it, and what is shown to what changes it. */

export interface OperationLink {
  operationId: string;
  parameters: Record<string, string>;
}

/** By operationId. `answer` is the schema of the document that comes; `resolved` gives what a name in it stands for. */
export function linksOf({ method, path, route }: ServedOperation, served: readonly ServedOperation[], answer: JsonSchema, resolved: (schema: JsonSchema) => JsonSchema): Record<string, OperationLink> {
  const { creates, begins } = route.operation;
  const makes = creates === true || begins === true || method === 'PUT';
  const isOfOne = method === 'PUT' || (method === 'GET' && /:[^/]*$/.test(path));
  if (!makes && method !== 'GET') return {};
  const above = Object.fromEntries([...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => [name, `$request.path.${name}`]));
  const parametersOf = (target: string): Record<string, string> | null => {
    // What was put somewhere, or is shown there, has that name.
    if (isOfOne) return isBeside(path, target) ? above : null;
    const name = parameterBelow(path, target);
    const place = name === null ? null : placeOf(name, answer, makes, resolved);
    return place === null ? null : { ...above, [name!]: `$response.body#${place}` };
  };
  const links: Record<string, OperationLink> = {};
  for (const target of served) {
    const isWanted = target.route !== route && (makes || (target.method === 'GET') !== isOfOne);
    const parameters = isWanted ? parametersOf(target.path) : null;
    const { id } = target.route.operation;
    if (parameters !== null) links[id] = { operationId: id, parameters };
  }
  return links;
}

/** The one parameter that a path has more than the list it lies in; null: it does not lie in it, or has more of them. */
function parameterBelow(list: string, path: string): string | null {
  return path.startsWith(`${list}/:`) ? (/^\/:([A-Za-z]+)(?:\/[^:]*)?$/.exec(path.slice(list.length))?.[1] ?? null) : null;
}

/** Whether a path has the parameters of another and no more. */
function isBeside(one: string, path: string): boolean {
  return path === one || (path.startsWith(`${one}/`) && !path.slice(one.length).includes(':'));
}

/** Where an answer names what a path takes: in itself or in what was made and has its secret beside it, or in the first row of a list. */
function placeOf(name: string, answer: JsonSchema, makes: boolean, resolved: (schema: JsonSchema) => JsonSchema): string | null {
  const propertiesOf = (schema: JsonSchema): Record<string, JsonSchema> => (resolved(schema).properties ?? {}) as Record<string, JsonSchema>;
  const properties = propertiesOf(answer);
  if (!makes) return properties.data !== undefined && name in propertiesOf(resolved(properties.data).items as JsonSchema) ? `/data/0/${name}` : null;
  if (name in properties) return `/${name}`;
  const holder = Object.keys(properties).find((field) => name in propertiesOf(properties[field]));
  return holder === undefined ? null : `/${holder}/${name}`;
}
