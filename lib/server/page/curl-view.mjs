// @ts-check
import { curlCommand, noteFor } from './curl.mjs';
import { make } from './dom.mjs';

/**
 * @typedef {import('./api.mjs').Api} Api
 * @typedef {import('./curl.mjs').CurlInput} CurlInput
 */

/** Characters of a command that are shown; copying takes all of it. */
const SHOWN = 6000;

/** The same request in the words of each API: a tab each. */
export class CurlView {
  #target;
  /** Name of the API that is shown. */
  #chosen = '';

  /** @param {HTMLElement} target */
  constructor(target) {
    this.#target = target;
  }

  /**
   * @param {Api[]} apis
   * @param {CurlInput} input
   * @param {{ base: string, hasKey: boolean }} server
   */
  show(apis, input, server) {
    const panel = make('div', { role: 'tabpanel', id: 'curl-panel' });
    const tabs = apis.map(({ name, title }) =>
      make(
        'button',
        { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': 'curl-panel' },
        title,
      ),
    );
    const choose = (/** @type {number} */ i) => {
      const api = apis[i];
      const tab = tabs[i];
      if (api === undefined || tab === undefined) return;
      this.#chosen = api.name;
      for (const each of tabs) {
        each.setAttribute('aria-selected', String(each === tab));
        each.tabIndex = each === tab ? 0 : -1;
      }
      panel.setAttribute('aria-labelledby', tab.id);
      panel.replaceChildren(...api.endpoints.map((endpoint) => commandOf(api, endpoint, input, server)));
    };
    const list = make('div', { class: 'tabs', role: 'tablist', 'aria-labelledby': 'curl-title' }, ...tabs);
    const tabOf = (/** @type {Event} */ { target }) =>
      tabs.findIndex((tab) => tab.contains(/** @type {Node} */ (target)));
    list.addEventListener('click', (event) => choose(tabOf(event)));
    list.addEventListener('keydown', (event) => {
      const at = tabOf(event);
      const next = nextTab(event.key, at, tabs.length);
      if (at === -1 || next === undefined) return;
      event.preventDefault();
      choose(next);
      tabs[next]?.focus();
    });
    choose(
      Math.max(
        0,
        apis.findIndex(({ name }) => name === this.#chosen),
      ),
    );
    this.#target.replaceChildren(list, panel);
  }
}

/**
 * @param {string} key
 * @param {number} at
 * @param {number} count
 */
function nextTab(key, at, count) {
  if (key === 'ArrowRight') return (at + 1) % count;
  if (key === 'ArrowLeft') return (at + count - 1) % count;
  if (key === 'Home') return 0;
  return key === 'End' ? count - 1 : undefined;
}

/**
 * @param {Api} api
 * @param {import('./api.mjs').ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @param {{ base: string, hasKey: boolean }} server
 */
function commandOf({ name }, endpoint, input, server) {
  const command = curlCommand(endpoint, input, server);
  const shown = command.length > SHOWN ? `${command.slice(0, SHOWN)}\n… (copying takes all of it)` : command;
  const copy = make(
    'button',
    { type: 'button', class: 'quiet', 'aria-label': `Copy the command for ${endpoint.path}` },
    'Copy',
  );
  const code = make('pre', { tabindex: 0 }, shown);
  copy.addEventListener('click', async () => {
    if (await copied(command)) {
      copy.textContent = 'Copied';
    } else {
      code.textContent = command;
      getSelection()?.selectAllChildren(code);
      copy.textContent = 'Selected: press Ctrl+C';
    }
    setTimeout(() => {
      copy.textContent = 'Copy';
    }, 4000);
  });
  const title = make('span', { class: 'inline' }, `${endpoint.path} · ${endpoint.summary}`);
  const note = noteFor(endpoint, input, name);
  const about = note === undefined ? [] : [make('p', { class: 'help' }, note)];
  return make('div', { class: 'command' }, make('div', { class: 'row spread' }, title, copy), ...about, code);
}

/**
 * The clipboard is there for pages of this machine or of HTTPS only.
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
