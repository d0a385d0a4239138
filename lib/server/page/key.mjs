// @ts-check
import { byId } from './dom.mjs';

const STORED = 'crossrank-key';

/** The API key of the server, where it wants one: kept until the tab is closed, and never longer. */
export class ApiKey {
  #field = byId('key-field', HTMLElement);
  #input = byId('key', HTMLInputElement);

  /** @param {() => void} onUse - When a key has been entered */
  constructor(onUse) {
    try {
      this.#input.value = sessionStorage.getItem(STORED) ?? '';
    } catch {
      // Without storage it is entered again after a reload.
    }
    byId('key-use', HTMLButtonElement).addEventListener('click', onUse);
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      onUse();
    });
    if (this.value !== '') this.#field.hidden = false;
  }

  get value() {
    return this.#input.value.trim();
  }

  /** The server wants one. */
  ask() {
    this.#field.hidden = false;
    this.#input.focus();
  }

  /** It was taken. */
  keep() {
    try {
      if (this.value === '') sessionStorage.removeItem(STORED);
      else sessionStorage.setItem(STORED, this.value);
    } catch {
      // As above.
    }
  }
}
