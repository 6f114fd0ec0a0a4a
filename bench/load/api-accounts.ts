import type { EngineProcess } from './engine-process.ts';

/** Log-ins at an engine with accounts that nobody has used yet. */

const ADMIN_PASSWORD = 'bench: the first admin 4711';
const OPERATOR = { email: 'operator@bench.example', name: 'Operator', password: 'bench: an operator 4711' };

/** The access token of an operator of these regions. */
export async function operatorToken(engine: EngineProcess, regions: readonly string[]): Promise<string> {
  const api = `http://127.0.0.1:${engine.ports.http}/api/v1`;
  const shown = engine.lastLines();
  const [, email] = /address +(\S+)/.exec(shown) ?? [];
  const [, password] = /password +(\S+)/.exec(shown) ?? [];
  if (email === undefined || password === undefined) throw new Error(`the engine shows no first admin:\n${shown}`);
  const { accessToken } = await post<{ accessToken: string }>(`${api}/auth/password`, null, { email, password, newPassword: ADMIN_PASSWORD });
  const { oneTimePassword } = await post<{ oneTimePassword: string }>(`${api}/users`, accessToken, { email: OPERATOR.email, name: OPERATOR.name, role: 'operator', regions });
  return (await post<{ accessToken: string }>(`${api}/auth/password`, null, { email: OPERATOR.email, password: oneTimePassword, newPassword: OPERATOR.password })).accessToken;
}

async function post<Answer>(url: string, token: string | null, body: object): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`POST ${url} got ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}
