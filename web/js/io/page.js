// The Socket.IO chat room's page: joins the talk, its lines, the box one writes in, and what stands in the bar.

import './words.js';
import { tidy } from '../frames.js';
import { language, onLanguage, otherLanguage, pick, setLanguage, t } from '../i18n.js';
import { loadHabits, loadKept, saveHabits, saveKept } from '../session.js';
import { Unread } from '../unread.js';
import { canWhisperTo } from './lines.js';
import { ROOMS, Talk } from './talk.js';
import { LinesView } from './view.js';

const byId = (id) => document.getElementById(id);
const ROOM_WORDS = { Red: 'ioRed', Green: 'ioGreen' };
const STATES = { open: 'open', connecting: 'connecting', again: 'waiting', denied: 'stopped' };
const KEPT = 'chaguan.io';

/** ?transports=polling or ?transports=websocket: to look at one of them. */
function transports() {
  const wanted = new URLSearchParams(location.search).get('transports');
  return wanted === 'polling' || wanted === 'websocket' ? [wanted] : ['polling', 'websocket'];
}

class Page {
  #talk;
  #view;
  #unread = new Unread('Socket.IO', new AbortController().signal);
  #box = byId('box');
  #to = ''; // whom one whispers to
  #returned = ''; // a text that came back to the box; it may have arrived all the same

  constructor(socket) {
    const kept = loadKept(KEPT) ?? {};
    const known = {
      name: typeof kept.name === 'string' ? kept.name : '',
      rooms: Array.isArray(kept.rooms) ? kept.rooms : [],
    };
    this.#talk = new Talk(socket, known, {
      onState: () => this.#draw(),
      onLines: (added) => this.#drawLines(added),
      onNameRefused: (key, name) => this.#refused(key, name),
      onReturned: (text, to, key) => this.#giveBack(text, to, key),
      onArrived: (text) => this.#arrived(text),
    });
    this.#view = new LinesView(this.#talk, (name) => this.#whisper(name));
    this.#listen();
    onLanguage(() => this.#draw());
    this.#draw();
    this.#box.focus({ preventScroll: true });
  }

  #listen() {
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#to !== '' && !event.isComposing) this.#whisper('');
      // 229: Safari ends the composition before the key that ended it arrives.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener('input', () => {
      this.#say('');
      this.#fit();
    });
    byId('whisper-end').addEventListener('click', () => this.#whisper(''));
    for (const room of ROOMS) byId(`room-${room}`).addEventListener('click', () => this.#talk.toggleRoom(room));
    addEventListener('online', () => this.#draw());
    addEventListener('offline', () => this.#draw());
  }

  // ---- the box

  #submit() {
    const text = tidy(this.#box.value);
    if (text === '') return;
    if (this.#talk.name === '') this.#takeName(text.trim());
    else if (this.#talk.say(text, this.#to)) {
      this.#returned = '';
      this.#empty();
      this.#view.toBottom();
    } else this.#say(t('ioNotConnected'));
  }

  #takeName(name) {
    if (!canWhisperTo(name)) this.#say(t('ioNameBlank'));
    else if (this.#talk.takeName(name)) this.#empty();
    else if (!this.#talk.naming) this.#say(t('ioNotConnected'));
  }

  #refused(key, name) {
    this.#say(t(key, { name }));
    if (this.#box.value === '') this.#box.value = name;
    this.#fit();
    this.#box.select();
  }

  #giveBack(text, to, key) {
    const now = this.#box.value;
    this.#returned = text;
    this.#box.value = now === '' ? text : `${text}\n${now}`;
    if (to !== '') this.#whisper(to);
    this.#say(t(key, { name: to }));
    this.#fit();
  }

  /** It was only the answer that did not arrive. */
  #arrived(text) {
    if (this.#returned !== text || this.#box.value !== text) return;
    this.#returned = '';
    this.#empty();
    this.#say('');
  }

  #whisper(name) {
    if (this.#talk.name === '') return;
    this.#to = name;
    this.#draw();
    this.#box.focus({ preventScroll: true });
  }

  #say(text) {
    byId('composer-notice').textContent = text;
    byId('composer-notice').hidden = text === '';
  }

  #empty() {
    this.#box.value = '';
    this.#say('');
    this.#fit();
  }

  #fit() {
    const box = this.#box;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
    byId('composer').classList.toggle('has-text', box.value.trim() !== '');
  }

  // ---- what the page shows

  #drawLines(added) {
    if (added < 0) this.#view.draw();
    else {
      const line = this.#talk.lines.at(-1);
      this.#view.append();
      if (line.note === undefined && !line.system && line.name !== this.#talk.name) this.#unread.heard();
    }
    this.#view.drawPending();
  }

  #draw() {
    const talk = this.#talk;
    saveKept(KEPT, talk.kept);
    this.#view.drawPending();
    this.#drawStatus();
    this.#drawRooms();
    const named = talk.name !== '';
    if (!named) this.#to = '';
    byId('composer').classList.toggle('naming', !named);
    byId('name-label').hidden = named;
    byId('whisper').hidden = this.#to === '';
    byId('whisper-to').textContent = t('ioWhisperTo', { name: this.#to });
    byId('you').textContent = named ? t('ioYouAre', { name: talk.name }) : '';
    this.#box.placeholder = t(named ? 'messageHint' : 'ioNameHint');
    this.#box.setAttribute('aria-label', t(named ? 'message' : 'ioName'));
    byId('send').setAttribute('aria-label', t(named ? 'send' : 'ioNameTake'));
    byId('send').setAttribute('aria-disabled', String(talk.naming));
  }

  #drawStatus() {
    const { state, transport, recovered } = this.#talk;
    const away = state !== 'open' && !navigator.onLine;
    const words = { open: 'ioOpen', connecting: 'ioConnecting', again: 'ioAgain', denied: 'ioDenied' };
    byId('status').dataset.state = STATES[state];
    put('status-text', t(away ? 'ioOffline' : words[state]));
    put('transport', transport);
    byId('transport').hidden = transport === '';
    byId('recovered').hidden = !recovered;
  }

  #drawRooms() {
    const { rooms } = this.#talk;
    for (const room of ROOMS) {
      const button = byId(`room-${room}`);
      const name = t(ROOM_WORDS[room]);
      button.setAttribute('aria-pressed', String(rooms.has(room)));
      put(`room-${room}-text`, t(rooms.has(room) ? 'ioLeaveRoom' : 'ioEnterRoom', { room: name }));
    }
    const [one] = rooms;
    put('where', t(rooms.size === 0 ? 'ioHall' : rooms.size === 1 ? 'ioInOne' : 'ioInBoth',
      { room: one === undefined ? '' : t(ROOM_WORDS[one]) }));
  }
}

/** Only what has changed: some of it is read aloud. */
function put(id, text) {
  const el = byId(id);
  if (el.textContent !== text) el.textContent = text;
}

for (const button of document.querySelectorAll('[data-lang-switch]')) {
  button.addEventListener('click', () => {
    setLanguage(otherLanguage());
    saveHabits({ lang: language() });
  });
}
setLanguage(loadHabits().lang ?? pick(navigator.language));

if (typeof globalThis.io === 'function') {
  new Page(globalThis.io({ transports: transports() }));
} else {
  byId('composer-notice').textContent = t('ioNoClient');
  byId('composer-notice').hidden = false;
}
