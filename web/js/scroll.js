// The reader's place in the conversation: at the bottom it follows, anywhere else it stays put and counts the news.

import { onLanguage, t } from './i18n.js';

const NEAR_PX = 48;

export class Stickiness {
  #scroller = document.getElementById('scroller');
  #pill = document.getElementById('new-pill');
  #stuck = true;
  #top = 0; // where the last scroll left it
  #news = 0;

  constructor(signal) {
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    this.#pill.addEventListener('click', () => {
      this.toBottom();
      document.getElementById('box').focus({ preventScroll: true });
    }, { signal });
    // The box grows, a keyboard slides in, a window is resized: whoever read the end still does.
    const observer = new ResizeObserver(() => this.#stuck && this.toBottom());
    observer.observe(this.#scroller);
    observer.observe(this.#scroller.firstElementChild);
    signal.addEventListener('abort', () => observer.disconnect());
    onLanguage(() => this.#showPill(), signal);
  }

  get atBottom() {
    return this.#stuck;
  }

  /** Something was added at the end, `news` of it not seen by the reader. Asks for no layout: many may come at once. */
  added(news) {
    if (this.#stuck || news === 0) return; // the observer follows the end once a frame
    this.#news += news;
    this.#showPill();
  }

  /** Runs a change that draws everything anew, and keeps the place. */
  keep(change, news = 0) {
    const top = this.#scroller.scrollTop;
    change();
    if (this.#stuck) this.toBottom();
    else this.#scroller.scrollTop = top;
    this.added(news);
  }

  toBottom() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
    this.#stuck = true;
    this.#news = 0;
    this.#showPill();
  }

  reset() {
    this.#stuck = true;
    this.#news = 0;
    this.#showPill();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // Only going up means leaving: the end also moves away when the box below grows or a line comes in.
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) this.#stuck = true;
    else if (scrollTop < this.#top) this.#stuck = false;
    this.#top = scrollTop;
    if (this.#stuck) this.#news = 0;
    this.#showPill();
  }

  #showPill() {
    this.#pill.hidden = this.#stuck;
    const n = this.#news;
    this.#pill.classList.toggle('news', n > 0);
    this.#pill.textContent = n === 0 ? t('toBottom') : t(n === 1 ? 'newMessage' : 'newMessages', { n });
  }
}
