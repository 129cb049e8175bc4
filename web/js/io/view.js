// The lines of the Socket.IO chat room on the page. Every word of others goes in as text.

import { avatar, tone } from '../heads.js';
import { onLanguage, t } from '../i18n.js';
import { Stickiness } from '../scroll.js';
import { element, putText } from '../text.js';
import { clock, within } from '../time.js';
import { canWhisperTo, whoCame } from './lines.js';
import { MAX_LINES } from './talk.js';

const GROUP_MINUTES = 5;

function timeElement(at) {
  const time = element('time', 'time', clock(at));
  time.dateTime = new Date(at).toISOString();
  return time;
}

const goesOn = (before, line) => before !== undefined && before.note === undefined && !before.system && !line.system &&
  before.name === line.name && before.whisper === line.whisper && before.to === line.to &&
  within(before.at, line.at, GROUP_MINUTES);

export class LinesView {
  #talk;
  #onName;
  #box = document.getElementById('log');
  #pendingBox = document.getElementById('pending');
  #empty = document.getElementById('empty');
  #stick = new Stickiness(new AbortController().signal);

  /** onName(name): somebody's name was chosen. */
  constructor(talk, onName) {
    this.#talk = talk;
    this.#onName = onName;
    onLanguage(() => this.draw());
  }

  draw() {
    const { lines } = this.#talk;
    this.#box.setAttribute('aria-busy', 'true');
    this.#stick.keep(() => this.#box.replaceChildren(...lines.map((line, i) => this.#element(lines[i - 1], line))));
    requestAnimationFrame(() => this.#box.setAttribute('aria-busy', 'false'));
    this.#showEmpty();
  }

  append() {
    const { lines, name } = this.#talk;
    const line = lines.at(-1);
    this.#box.append(this.#element(lines.at(-2), line));
    while (this.#box.childElementCount > MAX_LINES) this.#box.firstElementChild.remove();
    this.#stick.added(line.note === undefined && !line.system && line.name !== name ? 1 : 0);
    this.#showEmpty();
  }

  drawPending() {
    const { pending, name } = this.#talk;
    this.#pendingBox.replaceChildren(...pending.map(({ text, to }) => {
      const el = this.#said({ name, text, at: Date.now(), whisper: to === '' ? '' : 'out', to }, true);
      el.classList.add('goes-on', 'unsent');
      el.querySelector('.row').append(element('span', 'fate', t('sending')));
      return el;
    }));
    this.#showEmpty();
  }

  toBottom() {
    this.#stick.toBottom();
  }

  #showEmpty() {
    this.#empty.hidden = this.#box.childElementCount > 0 || this.#talk.pending.length > 0;
  }

  #element(before, line) {
    if (line.note !== undefined) return element('p', 'divider', t(line.note));
    if (line.system) return this.#systemLine(line);
    return this.#said(line, goesOn(before, line));
  }

  #systemLine(line) {
    const p = element('p', 'system');
    const who = whoCame(line.text);
    p.append(element('bdi', '', who === '' ? line.text : t('ioCameIn', { name: who })), timeElement(line.at));
    return p;
  }

  #said(line, more) {
    const mine = line.name === this.#talk.name || line.whisper === 'out';
    const el = element('div', `group${mine ? ' mine' : ''}${more ? ' goes-on' : ''}${line.whisper ? ' whisper' : ''}`);
    const body = element('div', 'group-body');
    if (!more) body.append(this.#heading(line, mine));
    const row = element('div', 'row');
    const bubble = element('div', 'bubble');
    bubble.dir = 'auto';
    putText(bubble, line.text);
    row.append(bubble);
    const bubbles = element('div', 'bubbles');
    bubbles.append(row);
    body.append(bubbles);
    el.append(avatar(line.name), body);
    return el;
  }

  #heading(line, mine) {
    const heading = element('p', 'speaker');
    if (!mine && canWhisperTo(line.name)) {
      const button = element('button', `name name-button tone-${tone(line.name)}`, line.name);
      button.type = 'button';
      button.title = t('ioWhisperStart', { name: line.name });
      button.addEventListener('click', () => this.#onName(line.name));
      heading.append(button);
    } else {
      heading.append(element('bdi', `name tone-${tone(line.name)}`, line.name));
    }
    if (line.whisper === 'in') heading.append(element('span', 'whisper-mark', t('ioWhisperIn')));
    if (line.whisper === 'out') heading.append(element('bdi', 'whisper-mark', t('ioWhisperOut', { name: line.to })));
    heading.append(timeElement(line.at));
    return heading;
  }
}
