import type { Page, Route } from 'playwright-core';

/** /api/v1/auth and /api/v1/me as a page sees them, of one account. */

export interface FakeProfile {
  id: string;
  email: string;
  name: string;
  role: 'consumer' | 'operator' | 'admin';
  meters: string[];
  /** When not said, those of `meters`, always. */
  assignments?: { meterId: string; from: string | null; until: string | null }[];
  regions: string[] | 'all';
  preferences: { locale: 'de' | 'en' | null; zone: string | null; theme: 'light' | 'dark' | null };
}

export class FakeAccountApi {
  readonly profile: FakeProfile;
  password: string;
  isOneTime = false;
  /** What counts in `Authorization`; another is 401. */
  token = 'token-1';
  /** Whether the browser has the cookie. */
  hasCookie = false;
  tickets = 0;
  /** Other accounts, as an admin sees them. */
  people: { id: string; email: string; name: string; disabled: boolean; assignments: { meterId: string; from: string | null; until: string | null }[] }[] = [];
  readonly assigned: { user: string; assigned: boolean }[] = [];
  /** Paths and bodies, in order. */
  readonly asked: string[] = [];

  constructor(profile: Partial<FakeProfile>, password = 'a long pass phrase') {
    this.profile = { id: 'u1', email: 'ada@example.org', name: 'Ada', role: 'admin', meters: [], regions: 'all', preferences: { locale: null, zone: null, theme: null }, ...profile };
    this.profile.assignments ??= this.profile.meters.map((meterId) => ({ meterId, from: null, until: null }));
    this.password = password;
  }

  async install(page: Page): Promise<void> {
    await page.route('**/api/v1/**', (route) => this.answer(route));
  }

  private async answer(route: Route): Promise<void> {
    const request = route.request();
    const path = new URL(request.url()).pathname.slice('/api/v1'.length);
    const body = (request.postDataJSON() ?? {}) as Record<string, string>;
    const json = (status: number, document: object) => route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(document) });
    const refused = (status: number, code: string, detail: string) => json(status, { code, detail });
    const logIn = () => ({ accessToken: this.token, tokenType: 'Bearer', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), refreshToken: null, refreshExpiresAt: null, user: this.profile });
    if (path === '/auth/settings') return json(200, { accounts: 'on', registration: true, mail: true, passwords: true, oidc: null });
    if (path.startsWith('/auth/') || path === '/me') this.asked.push(`${request.method()} ${path}`);
    if (path === '/auth/login') {
      if (body.email !== this.profile.email || body.password !== this.password) return refused(401, 'invalid_credentials', 'The address or the password is wrong.');
      if (this.isOneTime) return refused(403, 'password_change_required', 'The password was given by somebody else and has to be replaced.');
      this.hasCookie = true;
      return json(200, logIn());
    }
    if (path === '/auth/password') {
      if (body.password !== this.password) return refused(401, 'invalid_credentials', 'The address or the password is wrong.');
      this.password = body.newPassword;
      this.isOneTime = false;
      this.hasCookie = true;
      return json(200, logIn());
    }
    if (path === '/auth/refresh') return this.hasCookie ? json(200, logIn()) : refused(401, 'invalid_token', 'The session has ended.');
    if (path === '/auth/logout') {
      this.hasCookie = false;
      return route.fulfill({ status: 204 });
    }
    if (request.headers().authorization !== `Bearer ${this.token}`) return refused(401, 'invalid_token', 'Log in first.');
    if (path === '/auth/stream-tickets') return json(200, { ticket: `ticket-${++this.tickets}`, expiresAt: new Date(Date.now() + 30_000).toISOString() });
    if (path === '/auth/sessions') return json(200, { data: [{ id: 's1', createdAt: new Date().toISOString(), lastUsedAt: new Date().toISOString(), address: '127.0.0.1', userAgent: 'Chromium', current: true }], nextCursor: null });
    if (path === '/me' && request.method() === 'PATCH') {
      Object.assign(this.profile.preferences, (body as unknown as { preferences: object }).preferences);
      return json(200, this.profile);
    }
    if (path === '/users') {
      const meterId = new URL(request.url()).searchParams.get('meterId');
      return json(200, { data: this.people.filter(({ assignments }) => assignments.some((one) => one.meterId === meterId)), nextCursor: null });
    }
    if (path === '/meter-assignments') {
      const [assignment] = (body as unknown as { assignments: { user: string; assigned: boolean }[] }).assignments;
      this.assigned.push(assignment);
      return json(200, { data: [{ outcome: !this.people.some(({ email }) => email === assignment.user) ? 'unknown_user' : assignment.assigned ? 'assigned' : 'removed' }] });
    }
    return path === '/me' ? json(200, this.profile) : route.continue();
  }
}
