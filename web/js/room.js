// A seat in a room: what the socket says goes into the timeline and onto the page, what the person says goes out and is
// kept until its echo proves that it arrived. Owns the views; they do not know each other.

import { Composer } from './composer.js';
import { messageFrame, queryLogsFrame, readEvents, readMembers } from './frames.js';
import { onLanguage, t } from './i18n.js';
import { LogView } from './log-view.js';
import { MembersView } from './members-view.js';
import { CLOSE_TOO_BIG, Connection, socketUrl } from './socket.js';
import { StatusView } from './status-view.js';
import { addLive, mergeHistory, settle, toItem } from './timeline.js';
import { Unread } from './unread.js';

const ANSWER_TIMEOUT_MS = 15_000; // longer than the server waits for its database (journal_timeout_ms)
const ASK_AGAIN_MS = 3000;
const HIDDEN_LONG_MS = 60_000;
const KEEP_ITEMS = 1000;
const MOST_ITEMS = 5000;
const MAX_PENDING = 50;

const REASONS = [
  [/not a member/i, 'notMember'],
  [/unknown user/i, 'unknownUser'],
  [/unknown room/i, 'unknownRoom'],
  [/room id not provided/i, 'noRoom'],
];

const ERRORS = new Map([
  ['busy', 'saysBusy'],
  ['unavailable', 'saysUnavailable'],
  ['unknown', 'saysUnknown'],
  ['refused', 'saysRefused'],
  ['bad_content', 'saysRefused'],
]);

function errorWords(data) {
  const known = ERRORS.get(data?.code);
  if (known) return t(known);
  const message = typeof data?.message === 'string' && data.message !== '' ? data.message : String(data?.code ?? '');
  return t('serverSays', { message });
}

function outReason(reason) {
  const known = REASONS.find(([pattern]) => pattern.test(reason));
  if (known) return t(known[1]);
  return reason === '' ? t('refusedPlain') : t('refused', { reason });
}

export class Room {
  #onOut;
  #connection;
  #items = [];
  #pending = []; // {text, at, doubted}: sent, no echo yet, oldest first
  #returned = []; // {text}: given up and put back into the box; a late echo takes them out again
  #watchdog = null;
  #caughtUp = false; // history has been answered on this connection
  #everCaughtUp = false;
  #hiddenSince = null;
  #listening = new AbortController();
  #log;
  #members;
  #composer;
  #status;
  #unread;

  constructor(seat, { onOut }) {
    this.seat = seat;
    this.#onOut = onOut;
    const { signal } = this.#listening;
    document.getElementById('room-title').textContent = seat.roomName;
    this.#members = new MembersView(seat, signal);
    this.#log = new LogView(seat, (name) => this.#members.headOf(name), signal);
    this.#composer = new Composer(seat, (text) => this.#say(text), signal);
    this.#status = new StatusView({ onRetry: () => this.#connection.retryNow(), onLeave: () => this.#leave() }, signal);
    this.#unread = new Unread(seat.roomName, signal);
    this.#connection = new Connection(socketUrl(location, seat.roomId, seat.nickId), {
      onState: (state, waitMs) => this.#status.show(state, waitMs),
      onOpen: () => this.#catchUp(),
      onFrame: (frame) => this.#hear(frame),
      onLost: (code) => this.#lost(code),
      onRefused: (reason) => this.#onOut(outReason(reason)),
    });
    onLanguage(() => this.#redraw(), signal);
    this.#watchPage(signal);
    this.#log.setBusy(true);
    this.#connection.start();
    this.#composer.focus();
  }

  close() {
    clearTimeout(this.#watchdog);
    this.#listening.abort();
    this.#connection.stop();
    this.#log.clear();
  }

  #leave() {
    this.#composer.clear();
    this.#onOut();
  }

  // ---- speaking

  /** False keeps the text in the box. */
  #say(text) {
    const sent = this.#pending.length < MAX_PENDING && this.#connection.send(messageFrame(this.seat, text));
    if (!sent) {
      this.#composer.say(t('notConnected'));
      this.#connection.retryNow();
      return false;
    }
    this.#pending.push({ text, at: Date.now(), doubted: false });
    this.#returned = [];
    this.#expectAnswer();
    this.#log.drawPending(this.#pending);
    this.#log.toBottom();
    return true;
  }

  #arrived(items) {
    const { left, settled } = settle(this.#pending, items, this.seat.nickName);
    this.#pending = left;
    if (settled.length && left.length === 0) this.#answered();
    const late = settle(this.#returned, items, this.seat.nickName);
    this.#returned = late.left;
    for (const { text } of late.settled) this.#composer.takeOut(text);
  }

  #giveBack(pending, notice) {
    if (pending.length === 0) return;
    this.#pending = this.#pending.filter((p) => !pending.includes(p));
    this.#returned.push(...pending);
    this.#composer.putBack(pending.map((p) => p.text));
    this.#composer.say(notice);
    this.#log.drawPending(this.#pending);
  }

  // ---- hearing

  #hear(frame) {
    for (const event of readEvents(frame)) {
      if (event.type === 'message') this.#hearMessage(event.data);
      else if (event.type === 'logs') this.#hearHistory(event.data);
      else if (event.type === 'members') this.#hearMembers(event.data);
      else if (event.type === 'error') this.#hearError(event.data);
    }
  }

  #hearMessage(row) {
    const item = toItem(row);
    if (!item) return;
    item.at ??= Date.now();
    const { items, appended, renumbered } = addLive(this.#items, item);
    if (items === this.#items) return;
    this.#items = items;
    this.#arrived([item]);
    if (appended) this.#log.append(item, this.#pending);
    else this.#redraw();
    this.#trim();
    if (renumbered) this.#catchUp();
    if (!item.system && item.name !== this.seat.nickName) this.#unread.heard();
  }

  #hearHistory(rows) {
    if (!Array.isArray(rows)) return;
    const { items, fresh } = mergeHistory(this.#items, rows.map(toItem).filter((item) => item !== null));
    this.#answered();
    this.#connection.proved();
    this.#items = items;
    this.#arrived(fresh);
    const others = fresh.filter((i) => !i.system && i.name !== this.seat.nickName).length;
    if (this.#everCaughtUp) this.#unread.heard(others);
    this.#redraw(this.#everCaughtUp ? others : 0);
    this.#log.setBusy(false);
    this.#composer.unsay(t('notConnected'));
    this.#caughtUp = true;
    this.#everCaughtUp = true;
    this.#giveBack(this.#pending.filter((p) => p.doubted), t('sendFailed'));
    if (this.#pending.length) this.#expectAnswer();
  }

  #hearMembers(data) {
    this.#members.show(readMembers(data));
    this.#log.refreshHeads();
  }

  /** An error names no message; the oldest that waits is the one it answers. */
  #hearError(data) {
    this.#answered();
    this.#log.setBusy(false);
    this.#giveBack(this.#pending.slice(0, 1), '');
    this.#composer.say(errorWords(data));
    if (!this.#caughtUp) this.#watchdog = setTimeout(() => this.#catchUp(), ASK_AGAIN_MS);
    else if (this.#pending.length) this.#expectAnswer();
  }

  // ---- the connection

  #catchUp() {
    this.#connection.send(queryLogsFrame(this.seat));
    this.#expectAnswer();
  }

  #lost(code) {
    this.#answered();
    this.#caughtUp = false;
    for (const p of this.#pending) p.doubted = true; // the history after the reconnect tells
    if (code === CLOSE_TOO_BIG) this.#giveBack(this.#pending.slice(-1), t('sendFailed'));
    this.#log.drawPending(this.#pending);
  }

  /** A socket that answers neither a message nor a question for so long is dead, whatever its state says. */
  #expectAnswer() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      if (!this.#caughtUp) this.#giveBack(this.#pending.filter((p) => p.doubted), t('sendFailed'));
      this.#connection.restart();
    }, ANSWER_TIMEOUT_MS);
  }

  #answered() {
    clearTimeout(this.#watchdog);
  }

  #watchPage(signal) {
    addEventListener('online', () => {
      this.#status.setOnline(true);
      if (this.#connection.isOpen) this.#catchUp();
      else this.#connection.retryNow();
    }, { signal });
    addEventListener('offline', () => this.#status.setOnline(false), { signal });
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) {
        this.#hiddenSince = Date.now();
        return;
      }
      const away = this.#hiddenSince === null ? 0 : Date.now() - this.#hiddenSince;
      this.#hiddenSince = null;
      if (!this.#connection.isOpen) this.#connection.retryNow();
      else if (away > HIDDEN_LONG_MS) this.#catchUp();
    }, { signal });
  }

  // ---- the page

  #redraw(news = 0) {
    this.#log.draw(this.#items, this.#pending, news);
  }

  /** A day of talk must not fill the memory. Who reads further up keeps the lines under the eyes, up to a bound. */
  #trim() {
    const most = this.#log.atBottom ? KEEP_ITEMS * 1.2 : MOST_ITEMS;
    if (this.#items.length > most) {
      this.#items = this.#items.slice(-KEEP_ITEMS);
      this.#redraw();
    }
  }
}
