// @ts-check
/**
 * Types of what the gateway says about accounts (src/http/auth-routes.ts, account-routes.ts). Types only: nothing imports this file at run time.
 *
 * @typedef {'consumer' | 'operator' | 'admin'} Role
 *
 * @typedef {{ meterId: string, from: string | null, until: string | null }} Assignment when a meter is somebody's; null: always, no end is known
 *
 * @typedef {object} Me
 * @property {string} id
 * @property {string | null} email
 * @property {string} name
 * @property {Role} role
 * @property {string[]} meters of a consumer, those of now
 * @property {Assignment[]} assignments of a consumer, also those that are over or to come
 * @property {string[] | 'all'} regions of an operator
 * @property {string | null} issuer who vouches for them in the place of a password here
 * @property {{ locale: 'de' | 'en' | null, zone: string | null, theme: 'light' | 'dark' | null }} preferences
 *
 * @typedef {{ accounts: 'on' | 'off', registration: boolean, mail: boolean, passwords: boolean, oidc: { issuer: string, signIn: boolean } | null }} AuthSettings
 *   `mail`: links can be sent; `passwords`: somebody can sign in with one; `signIn`: and with another issuer, by a browser
 * @typedef {{ accessToken: string, accessExpiresAt: string, user: Me }} LogIn
 *
 * @typedef {{ phase: 'starting' }
 *   | { phase: 'unreachable', problem: string }
 *   | { phase: 'open' }
 *   | { phase: 'signedOut', settings: AuthSettings, why: string | null }
 *   | { phase: 'mustChange', email: string }
 *   | { phase: 'signedIn', me: Me }} Session
 *   `open`: the engine runs without accounts, and whoever reaches it may do everything
 */

export {};
