// @ts-check
import { html } from '../ui.js';

/** What is shown before anybody is let in. @param {{ children?: any }} props */
export function Doorway({ children }) {
  return html`
    <main id="main" class="doorway">
      <section class="panel">
        <p class="brand"><img src="/favicon.svg" alt="" width="28" height="28" /> Smart Energy Grid</p>
        ${children}
      </section>
    </main>
  `;
}
