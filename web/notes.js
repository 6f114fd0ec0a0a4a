// @ts-check
import { html } from './ui.js';

/** What stands where something is not there yet, or is not to be had. */

/** @param {{ what: string }} props as `bills` */
export function LoadingNote({ what }) {
  return html`<div class="loading" role="status"><span class="hidden">Loading ${what}…</span><span class="ghost" aria-hidden="true"></span><span class="ghost" aria-hidden="true"></span><span class="ghost short" aria-hidden="true"></span></div>`;
}

/** @param {{ error: string, onRetry: () => void }} props */
export function ErrorNote({ error, onRetry }) {
  return html`<p class="note error" role="alert">${error} <button type="button" onClick=${onRetry}>Try again</button></p>`;
}

/** @param {{ children?: any }} props what is missing, and what makes it come */
export function EmptyNote({ children }) {
  return html`<p class="empty">${children}</p>`;
}
