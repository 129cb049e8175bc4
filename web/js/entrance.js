// The entrance: a nick, a head, a room; asks the server for a seat and hands it on.

import { createChatroom, getRoomNums } from './api.js';
import { HEADS, headIndex, headPicture } from './heads.js';
import { onLanguage, t } from './i18n.js';
import { loadHabits, saveHabits } from './session.js';
import { SYSTEM_NAME } from './timeline.js';

const byId = (id) => document.getElementById(id);
const ERRORS = { network: 'errorNetwork', busy: 'errorBusy', refused: 'errorRefused' };

export class Entrance {
  #onEnter;
  #rooms = null;
  #busy = false;
  #screen = byId('entrance');
  #form = byId('enter-form');
  #nick = byId('nick');
  #room = byId('room-name');
  #button = byId('enter-button');
  #notice = byId('enter-notice');

  constructor({ onEnter }) {
    this.#onEnter = onEnter;
    const habits = loadHabits();
    this.#nick.value = typeof habits.nickName === 'string' ? habits.nickName : '';
    this.#drawHeads(headIndex(habits.head) ?? 1 + Math.floor(Math.random() * HEADS));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#enter();
    });
    for (const field of [this.#nick, this.#room]) {
      field.addEventListener('input', () => field.removeAttribute('aria-invalid'));
    }
    onLanguage(() => this.#speak());
  }

  show({ roomName, notice }) {
    this.#screen.hidden = false;
    if (roomName !== '') this.#room.value = roomName;
    this.#say(notice);
    this.#setBusy(false);
    this.#focusFirst();
    this.#countRooms();
  }

  hide() {
    this.#screen.hidden = true;
  }

  suggestRoom(name) {
    if (name !== '') this.#room.value = name;
  }

  async #enter() {
    if (this.#busy) return;
    const nickName = this.#nick.value.trim();
    const chatroomName = this.#room.value.trim();
    if (nickName === '') return this.#mend(this.#nick, 'needNick');
    if (nickName === SYSTEM_NAME) return this.#mend(this.#nick, 'reservedNick');
    if (chatroomName === '') return this.#mend(this.#room, 'needRoom');

    const head = Number(new FormData(this.#form).get('head'));
    this.#say('');
    this.#setBusy(true);
    try {
      const { chatroomId, nickId } = await createChatroom(chatroomName, nickName, head);
      saveHabits({ nickName, head });
      this.#onEnter({ roomId: chatroomId, nickId, roomName: chatroomName, nickName, head });
    } catch (error) {
      this.#say(t(ERRORS[error.kind] ?? 'errorBusy'));
    } finally {
      this.#setBusy(false);
    }
  }

  #mend(field, key) {
    field.setAttribute('aria-invalid', 'true');
    this.#say(t(key));
    field.focus();
  }

  #say(text) {
    this.#notice.textContent = text;
    this.#notice.hidden = text === '';
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#button.setAttribute('aria-disabled', String(busy));
    this.#button.textContent = t(busy ? 'entering' : 'enter');
  }

  #focusFirst() {
    (this.#nick.value === '' ? this.#nick : this.#room.value === '' ? this.#room : this.#button).focus();
  }

  async #countRooms() {
    try {
      this.#rooms = await getRoomNums();
    } catch {
      this.#rooms = null; // a decoration: not worth a complaint
    }
    this.#speak();
  }

  #speak() {
    this.#setBusy(this.#busy);
    const n = this.#rooms;
    byId('rooms-open').textContent = n === null ? '' : n === 0 ? t('roomsNone') : n === 1 ? t('roomsOne', { n })
      : t('roomsOpen', { n });
    const names = t('heads');
    for (const label of byId('heads').children) {
      label.title = names[label.dataset.head - 1];
      label.querySelector('input').setAttribute('aria-label', label.title);
    }
  }

  #drawHeads(chosen) {
    for (let i = 1; i <= HEADS; i++) {
      const label = document.createElement('label');
      label.className = 'head-choice';
      label.dataset.head = i;
      const radio = document.createElement('input');
      radio.type = 'radio';
      radio.name = 'head';
      radio.value = i;
      radio.checked = i === chosen;
      label.append(radio, headPicture(i));
      byId('heads').append(label);
    }
  }
}
