// The box one writes in: Enter sends, Shift+Enter breaks the line, an input method may use Enter for itself; what could
// not be sent stays.

import { fill, MAX_FRAME_BYTES, tidy } from './frames.js';
import { onLanguage, t } from './i18n.js';

const COUNT_FROM = 0.75;

export class Composer {
  #seat;
  #send;
  #box = document.getElementById('box');
  #notice = document.getElementById('composer-notice');
  #count = document.getElementById('composer-count');

  /** `send(text)` returns false when the text has to stay in the box. */
  constructor(seat, send, signal) {
    this.#seat = seat;
    this.#send = send;
    document.getElementById('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    }, { signal });
    this.#box.addEventListener('keydown', (event) => {
      // 229: Safari ends the composition before the key that ended it arrives.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    }, { signal });
    this.#box.addEventListener('input', () => {
      this.say('');
      this.#measure();
    }, { signal });
    onLanguage(() => this.#measure(), signal);
    this.say('');
    this.#measure();
  }

  focus() {
    this.#box.focus({ preventScroll: true });
  }

  clear() {
    this.#box.value = '';
    this.#measure();
  }

  say(text) {
    this.#notice.textContent = text;
    this.#notice.hidden = text === '';
  }

  /** Takes a notice back that is true no more, if it still stands there. */
  unsay(text) {
    if (this.#notice.textContent === text) this.say('');
  }

  /** Texts that did not arrive, in front of what has been written since. */
  putBack(texts) {
    const now = this.#box.value;
    this.#box.value = [...texts, ...(now === '' ? [] : [now])].join('\n');
    this.#measure();
  }

  /** A text that arrived after all, if it still stands at the front of the box untouched. */
  takeOut(text) {
    const now = this.#box.value;
    if (now === text) this.#box.value = '';
    else if (now.startsWith(`${text}\n`)) this.#box.value = now.slice(text.length + 1);
    else return;
    this.say('');
    this.#measure();
  }

  #submit() {
    const text = tidy(this.#box.value);
    if (text === '') return;
    const full = fill(this.#seat, text);
    if (full > 1) {
      this.say(t('tooLong', { n: Math.max(0.1, (full - 1) * MAX_FRAME_BYTES / 1024).toFixed(1) }));
      return;
    }
    if (!this.#send(text)) return;
    this.#box.value = '';
    this.say('');
    this.#measure();
    this.focus();
  }

  #measure() {
    const box = this.#box;
    const row = box.parentElement;
    row.style.minHeight = `${row.offsetHeight}px`; // else the conversation above grows for a moment and loses its place
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
    row.style.minHeight = '';
    const worthCounting = box.value.length * 6 > MAX_FRAME_BYTES * COUNT_FROM; // an escaped character takes six bytes
    const full = worthCounting ? fill(this.#seat, tidy(box.value)) : 0;
    this.#count.textContent = full >= COUNT_FROM ? t('used', { n: Math.ceil(full * 100) }) : '';
    this.#count.classList.toggle('over', full > 1);
    document.getElementById('composer').classList.toggle('has-text', box.value.trim() !== '');
  }
}
