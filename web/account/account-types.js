// @ts-check
/**
 * Types of what the gateway says about accounts (src/http/auth-routes.ts, account-routes.ts). Types only: nothing imports this file at run time.
 *
 * @typedef {'consumer' | 'operator' | 'admin'} Role
 *
 * @typedef {object} Me
 * @property {string} id
 * @property {string} email
 * @property {Role} role
 * @property {string[]} meters of a consumer
 * @property {string[] | 'all'} regions of an operator
 * @property {{ language: string, theme: string }} preferences
 *
 * @typedef {{ accounts: 'on' | 'off', registration?: boolean, oidc?: unknown }} AuthSettings
 * @typedef {{ accessToken: string, expiresIn: number, mustChangePassword?: boolean }} Tokens
 *
 * @typedef {{ phase: 'starting' }
 *   | { phase: 'unreachable', problem: string }
 *   | { phase: 'open' }
 *   | { phase: 'signedOut', settings: AuthSettings, why: string | null }
 *   | { phase: 'mustChange' }
 *   | { phase: 'signedIn', me: Me }} Session
 *   `open`: the engine runs without accounts, and whoever reaches it may do everything
 */

export {};
