// The bar's doings: how the connection stands, try now, share, leave.

import { onLanguage, t } from './i18n.js';

const byId = (id) => document.getElementById(id);
const SHARE_NOTE_MS = 2500;

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // absent on plain HTTP outside localhost
    return true;
  } catch {
    return false;
  }
}

export class StatusView {
  #state = 'connecting';
  #until = 0;
  #online = navigator.onLine;
  #note = '';
  #noteTimer = null;

  constructor({ onRetry, onLeave }, signal) {
    byId('retry-now').addEventListener('click', onRetry, { signal });
    byId('leave').addEventListener('click', onLeave, { signal });
    byId('share').addEventListener('click', () => this.#share(), { signal });
    const ticking = setInterval(() => this.#state === 'waiting' && this.#draw(), 1000);
    signal.addEventListener('abort', () => {
      clearInterval(ticking);
      clearTimeout(this.#noteTimer);
    });
    onLanguage(() => this.#draw(), signal);
    this.#draw();
  }

  show(state, waitMs) {
    this.#state = state;
    this.#until = Date.now() + waitMs;
    this.#draw();
  }

  setOnline(online) {
    this.#online = online;
    this.#draw();
  }

  async #share() {
    this.#note = t((await copy(location.href)) ? 'shared' : 'shareByHand');
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => {
      this.#note = '';
      this.#draw();
    }, SHARE_NOTE_MS);
    this.#draw();
  }

  #words() {
    if (this.#note !== '') return this.#note;
    if (this.#state === 'open') return t('open');
    if (!this.#online) return t('offline');
    if (this.#state !== 'waiting') return t('connecting');
    const seconds = Math.ceil((this.#until - Date.now()) / 1000);
    return seconds > 1 ? t('waiting', { n: seconds }) : t('waitingNow');
  }

  #draw() {
    byId('status').dataset.state = this.#state;
    const text = byId('status-text');
    const words = this.#words();
    if (text.textContent !== words) text.textContent = words;
    const aloud = this.#note === '' && this.#state === 'waiting' ? t('waitingNow') : words; // no seconds counted aloud
    const live = byId('status-live');
    if (live.textContent !== aloud) live.textContent = aloud;
    byId('retry-now').hidden = this.#state !== 'waiting';
  }
}
