// One transport on the page: what it is, what it has cost so far, and what it has heard.

import { tone } from '../heads.js';
import { onLanguage, systemLine, t } from '../i18n.js';
import { element } from '../text.js';
import { SYSTEM_NAME } from '../timeline.js';
import { bytesText, readMessage } from './measure.js';

const MAX_ROWS = 50;
const STATE_WORDS = { off: 'trOff', connecting: 'trConnecting', open: 'trOpen', waiting: 'trWaiting' };

export class Panel {
  state = 'off';
  count = { requests: 0, empty: 0, body: 0, head: 0, messages: 0 };
  #kind;
  #wire;
  #delayMs = null;
  #sinceSent;
  #root = element('section', 'panel');
  #title = element('h2');
  #button = element('button', 'quiet');
  #stateText = element('span');
  #how = element('p', 'how');
  #facts = element('dl', 'facts');
  #rows = element('ol', 'rows');

  /**
   * kind: {id, Wire, name, how, headsSeen, canBeEmpty}; the words' keys.
   * sinceSent(text): milliseconds since this page sent that text, or null.
   */
  constructor(kind, seat, { sinceSent, onGone }) {
    this.#kind = kind;
    this.#sinceSent = sinceSent;
    this.#wire = new kind.Wire(seat, {
      onState: (state) => this.#setState(state),
      onCost: (cost) => this.#addCost(cost),
      onEvent: (event) => this.#hear(event),
      onGone,
    });
    this.#build();
    onLanguage(() => this.#draw());
    this.#draw();
  }

  get element() {
    return this.#root;
  }

  get running() {
    return this.#wire.running;
  }

  start() {
    this.#wire.start();
    this.#draw();
  }

  stop() {
    this.#wire.stop();
    this.#draw();
  }

  #build() {
    this.#root.id = `panel-${this.#kind.id}`;
    this.#button.type = 'button';
    this.#button.addEventListener('click', () => (this.running ? this.stop() : this.start()));
    const state = element('p', 'status');
    const dot = element('span', 'dot');
    dot.setAttribute('aria-hidden', 'true');
    state.append(dot, this.#stateText);
    const title = element('div', 'panel-title');
    title.append(this.#title, state);
    const head = element('header', 'panel-head');
    head.append(title, this.#button);
    this.#rows.tabIndex = 0;
    this.#root.append(head, this.#how, this.#facts, this.#rows);
  }

  #setState(state) {
    this.state = state;
    this.#draw();
  }

  #addCost(cost) {
    for (const [name, n] of Object.entries(cost)) this.count[name] += n;
    this.#draw();
  }

  #hear(event) {
    const message = readMessage(event);
    if (message === null) return; // a list of members: counted, not shown
    this.count.messages++;
    const ms = this.#sinceSent(message.text);
    if (ms !== null) this.#delayMs = ms;
    const atEnd = this.#rows.scrollHeight - this.#rows.scrollTop - this.#rows.clientHeight < 40;
    this.#rows.append(this.#row(message, ms));
    while (this.#rows.childElementCount > MAX_ROWS) this.#rows.firstElementChild.remove();
    if (atEnd) this.#rows.scrollTop = this.#rows.scrollHeight;
    this.#draw();
  }

  #row({ name, text }, ms) {
    const row = element('li');
    if (name === SYSTEM_NAME) {
      row.className = 'by-house';
      row.append(element('bdi', '', systemLine(text)));
    } else {
      row.append(element('bdi', `name tone-${tone(name)}`, name), element('bdi', 'text', text));
    }
    if (ms !== null) row.append(element('span', 'ms', `${ms} ms`));
    return row;
  }

  #draw() {
    const { count } = this;
    const { id, name, how, headsSeen, canBeEmpty } = this.#kind;
    this.#root.dataset.state = this.state;
    this.#root.dataset.messages = count.messages;
    this.#title.textContent = t(name);
    this.#how.textContent = t(how);
    this.#stateText.textContent = t(STATE_WORDS[this.state]);
    this.#button.textContent = t(this.running ? 'trStop' : 'trStart');
    this.#button.setAttribute('aria-label', `${t(this.running ? 'trStop' : 'trStart')} ${t(name)}`);
    this.#rows.setAttribute('aria-label', t(name));
    const facts = [
      ['trRequests', count.requests],
      ['trEmpty', canBeEmpty ? count.empty : '—'],
      ['trBody', bytesText(count.body)],
      ['trHead', headsSeen ? bytesText(count.head) : t('trUnseen')],
      ['trMessages', count.messages],
      ['trDelay', this.#delayMs === null ? '—' : `${this.#delayMs} ms`],
    ];
    this.#facts.replaceChildren(...facts.flatMap(([key, value]) => {
      const dd = element('dd', '', String(value));
      dd.id = `${id}-${key}`;
      return [element('dt', '', t(key)), dd];
    }));
  }
}
