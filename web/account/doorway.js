// @ts-check
import { html, useEffect } from '../ui.js';
import { titleOf } from '../page-title.js';

/** What is shown before anybody is let in. @param {{ title: string | null, children?: any }} props `title`: null while nobody knows what it will be */
export function Doorway({ title, children }) {
  useEffect(() => {
    document.title = titleOf(title);
  }, [title]);
  return html`
    <main id="main" class="doorway">
      <section class="panel">
        <p class="brand"><img src="/favicon.svg" alt="" width="28" height="28" /> Smart Energy Grid</p>
        ${title !== null && html`<h1>${title}</h1>`}
        ${children}
      </section>
    </main>
  `;
}
