// The conversation on the page: days, speakers, system lines, what is still being sent; keeps the reader's place.

import { avatar, tone } from './heads.js';
import { language, languageTag, systemLine, t } from './i18n.js';
import { Stickiness } from './scroll.js';
import { element, putText } from './text.js';
import { clock, dayLabel } from './time.js';
import { place } from './timeline.js';

function timeElement(at) {
  const time = element('time', 'time', clock(at));
  if (at !== null) {
    time.dateTime = new Date(at).toISOString();
    time.title = new Intl.DateTimeFormat(languageTag(), { dateStyle: 'full', timeStyle: 'medium' }).format(at);
  }
  return time;
}

export class LogView {
  #seat;
  #headOf;
  #box = document.getElementById('log');
  #pendingBox = document.getElementById('pending');
  #empty = document.getElementById('empty');
  #stick;
  #last = null; // the item drawn last
  #group = null; // its group's element

  /** `headOf(name)` gives a head_num or undefined; asked again by refreshHeads(). */
  constructor(seat, headOf, signal) {
    this.#seat = seat;
    this.#headOf = headOf;
    this.#stick = new Stickiness(signal);
    this.clear();
  }

  get atBottom() {
    return this.#stick.atBottom;
  }

  toBottom() {
    this.#stick.toBottom();
  }

  clear() {
    this.#box.replaceChildren();
    this.#pendingBox.replaceChildren();
    this.#empty.hidden = true;
    this.#last = null;
    this.#group = null;
    this.#stick.reset();
  }

  /** While history is on its way nothing is read aloud. */
  setBusy(busy) {
    this.#box.setAttribute('aria-busy', String(busy));
  }

  /** Everything anew; `news` of the items are by others and were not here before. */
  draw(items, pending, news = 0) {
    this.setBusy(true);
    this.#stick.keep(() => {
      this.#box.replaceChildren();
      this.#last = null;
      this.#group = null;
      for (const item of items) this.#add(item);
      this.drawPending(pending);
    }, news);
    this.#empty.hidden = items.some((item) => !item.system) || pending.length > 0;
    requestAnimationFrame(() => this.setBusy(false));
  }

  append(item, pending) {
    const news = item.system || item.name === this.#seat.nickName ? 0 : 1;
    this.#add(item);
    this.drawPending(pending);
    this.#stick.added(news);
    if (!item.system) this.#empty.hidden = true;
  }

  drawPending(pending) {
    this.#pendingBox.replaceChildren();
    if (pending.length === 0) return;
    this.#empty.hidden = true;
    let before = this.#last;
    let group = null;
    for (const p of pending) {
      const item = { name: this.#seat.nickName, text: p.text, at: p.at, system: false, gap: false };
      if (group === null) {
        const goesOn = before !== null && !place(before, item).heading;
        group = this.#groupElement(item, goesOn);
        this.#pendingBox.append(group);
      }
      const row = this.#bubble(item);
      row.classList.add('unsent');
      row.append(element('span', 'fate', t(p.doubted ? 'unsure' : 'sending')));
      group.querySelector('.bubbles').append(row);
      before = item;
    }
  }

  refreshHeads() {
    for (const group of document.querySelectorAll('.group[data-name]')) {
      const head = this.#headOf(group.dataset.name);
      if (String(head ?? '') === group.dataset.head) continue;
      group.dataset.head = head ?? '';
      group.querySelector('.head').replaceWith(avatar(group.dataset.name, head));
    }
  }

  #add(item) {
    const { day, heading } = place(this.#last, item);
    if (item.gap) this.#box.append(element('p', 'divider gap', t('gap')));
    if (day) this.#box.append(this.#dayElement(item.at));
    if (item.system) {
      this.#box.append(this.#systemElement(item));
      this.#group = null;
    } else {
      if (heading || this.#group === null) {
        this.#group = this.#groupElement(item, false);
        this.#box.append(this.#group);
      }
      this.#group.querySelector('.bubbles').append(this.#bubble(item));
    }
    this.#last = item;
  }

  #dayElement(at) {
    const label = dayLabel(at, languageTag(), { today: t('today'), yesterday: t('yesterday') });
    return element('p', 'divider day', label);
  }

  #systemElement(item) {
    const line = element('p', 'system');
    const words = element('bdi', '', systemLine(item.text));
    words.lang = language() === 'zh' ? 'zh-CN' : 'en';
    line.append(words, timeElement(item.at));
    return line;
  }

  #groupElement(item, goesOn) {
    const mine = item.name === this.#seat.nickName;
    const head = mine ? this.#headOf(item.name) ?? this.#seat.head : this.#headOf(item.name);
    const group = element('div', mine ? 'group mine' : 'group');
    group.dataset.name = item.name;
    group.dataset.head = head ?? '';
    const body = element('div', 'group-body');
    if (!goesOn) {
      const heading = element('p', 'speaker');
      heading.append(element('bdi', `name tone-${tone(item.name)}`, item.name), timeElement(item.at));
      body.append(heading);
    } else {
      group.classList.add('goes-on');
    }
    body.append(element('div', 'bubbles'));
    group.append(avatar(item.name, head), body);
    return group;
  }

  #bubble(item) {
    const row = element('div', 'row');
    const bubble = element('div', 'bubble');
    bubble.dir = 'auto';
    putText(bubble, item.text);
    row.append(bubble);
    if (item.at !== null) row.title = clock(item.at);
    return row;
  }
}
