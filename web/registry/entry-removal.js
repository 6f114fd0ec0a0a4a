// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { deleteJson, getJson, Refusal } from '../api.js';

/** @typedef {import('./registry-types.js').RegisteredMeter} RegisteredMeter */

/**
 * Takes an entry out of the registry, once somebody has said that they mean it. What somebody else has changed meanwhile is shown first.
 * @param {object} props
 * @param {RegisteredMeter} props.meter
 * @param {() => void} props.onRemoved also when somebody else was quicker
 * @param {(meter: RegisteredMeter) => void} props.onNewer as it is now
 * @param {() => void} props.onCancel
 */
export function EntryRemoval({ meter, onRemoved, onNewer, onCancel }) {
  const [said, setSaid] = useState('');
  const [isBusy, setBusy] = useState(false);
  const keep = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const path = `/registry/meters/${encodeURIComponent(meter.meterId)}`;
  // Whoever presses Enter once too often keeps what is there.
  useEffect(() => keep.current?.focus(), []);

  const lookAgain = async () => {
    const now = /** @type {RegisteredMeter} */ (await getJson(path, {}));
    onNewer(now);
    setSaid(`${now.updatedBy} has changed this entry meanwhile: below it is as it is now, version ${now.version}. Remove it again if that is still right.`);
  };

  const remove = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await deleteJson(path, {}, meter.version).catch((error) => {
        if (!isGone(error)) throw error;
      });
      onRemoved();
      return;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'stale_version') await lookAgain().catch((/** @type {Error} */ again) => (isGone(again) ? onRemoved() : setSaid(again.message)));
      else setSaid(/** @type {Error} */ (error).message);
    }
    setBusy(false);
  };

  return html`
    <form class="callout" aria-labelledby="removal-title" onSubmit=${remove} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && onCancel()}>
      <h3 id="removal-title">Remove the entry of ${meter.meterId}?</h3>
      <p id="removal-words">Its serial number, address and all else below are gone then. What the meter has measured, its bills and whose it is stay. A meter that was taken down can keep its entry: it takes a day on which it was removed.</p>
      <p class="said error" role="alert">${said}</p>
      <p class="buttons"><button type="submit" class="main" disabled=${isBusy} aria-describedby="removal-words">Remove it</button> <button type="button" ref=${keep} onClick=${onCancel} aria-describedby="removal-words">Keep it</button></p>
    </form>
  `;
}

/** @param {unknown} error */
function isGone(error) {
  return error instanceof Refusal && error.code === 'unknown_registered_meter';
}
