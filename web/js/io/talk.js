// The chat room over a Socket.IO socket: the name, the rooms, what is said and heard, and what becomes of all that when
// the connection is cut and comes back. Knows no DOM; the socket and the clock are passed in.

import { address, isRefusal, mergeHistory, toLine } from './lines.js';

export const ROOMS = ['Red', 'Green'];
export const MAX_LINES = 500;

const ANSWER_MS = 15_000; // longer than the server waits for its database
const CLAIM_TRIES = 6;
const CLAIM_AGAIN_MS = 1000;

/**
 * Callbacks:
 *   onState()                something of state, transport, recovered, name, naming, rooms changed
 *   onLines(added)           `lines` changed; added: how many are new at the end, or -1 for anything else
 *   onNameRefused(key, name) a name could not be had; key: a word of the page
 *   onReturned(text, to, key) a text that did not arrive, and why
 *   onArrived(text)          one's own text came back from the server
 */
export class Talk {
  state = 'connecting'; // 'connecting' | 'open' | 'again' | 'denied'
  transport = '';
  recovered = false; // the connection was cut, and nothing is missing
  name = '';
  naming = false; // a name was asked for, no answer yet
  rooms = new Set();
  lines = [];
  pending = []; // {text, to}: sent, no answer yet

  #socket;
  #on;
  #env;
  #mark = -1; // where the history goes that was asked for
  #wantedName;
  #wantedRooms;
  #opened = 0;
  #timer = null;

  /** `kept`: {name, rooms} from before a reload. */
  constructor(socket, kept, on, env = {}) {
    this.#socket = socket;
    this.#on = on;
    this.#env = { setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (t) => clearTimeout(t),
      now: Date.now, ...env };
    this.#wantedName = kept.name;
    this.#wantedRooms = new Set(kept.rooms.filter((room) => ROOMS.includes(room)));
    socket.on('connect', () => this.#connected());
    socket.on('disconnect', (reason) => this.#disconnected(reason));
    socket.on('connect_error', () => this.#failed());
    socket.on('allMessages', (rows) => this.#hearHistory(rows));
    socket.on('message', (row) => this.#hear(row));
    socket.on('joined', (room) => this.#moved(room, true));
    socket.on('leaved', (room) => this.#moved(room, false));
  }

  /** What to keep for a reload. */
  get kept() {
    return { name: this.name || this.#wantedName, rooms: [...this.#wantedRooms] };
  }

  // ---- what the person does

  takeName(name) {
    if (this.naming || !this.#socket.connected) return false;
    this.#claim(name, 1);
    return true;
  }

  /** False keeps the text where it is. */
  say(text, to = '') {
    if (!this.#socket.connected || this.name === '') return false;
    const content = to === '' ? text : `@${to} ${text}`;
    const sent = { ...address(content), content };
    this.pending.push(sent);
    this.#socket.timeout(ANSWER_MS).emit('message', content, (error, answer) => this.#answered(sent, error, answer));
    this.#on.onState();
    return true;
  }

  toggleRoom(room) {
    if (this.#wantedRooms.has(room)) this.#wantedRooms.delete(room);
    else this.#wantedRooms.add(room);
    if (this.#socket.connected) this.#socket.emit(this.#wantedRooms.has(room) ? 'join' : 'leave', room);
    this.#on.onState();
  }

  // ---- the connection

  #connected() {
    this.state = 'open';
    this.recovered = this.#socket.recovered === true;
    this.#watchTransport();
    if (this.recovered && this.name === '' && this.#wantedName !== '') {
      // Cut while the answer about a name was on its way: nobody knows whether we have it. Begin as a stranger.
      this.#socket.disconnect().connect();
      return;
    }
    if (this.recovered) {
      this.#add({ note: 'ioRecoveredNote' });
    } else {
      if (this.#opened > 0) this.#add({ note: 'ioFreshNote' });
      this.#beginAnew();
    }
    this.#opened++;
    this.#on.onState();
  }

  /** The server knows nothing of us: neither the name nor the rooms. */
  #beginAnew() {
    this.#mark = this.lines.length;
    this.#socket.emit('getAllMessages');
    this.rooms.clear();
    for (const room of this.#wantedRooms) this.#socket.emit('join', room);
    this.#wantedName = this.name || this.#wantedName;
    this.name = '';
    if (this.#wantedName !== '') this.#claim(this.#wantedName, CLAIM_TRIES);
  }

  #watchTransport() {
    const { engine } = this.#socket.io;
    this.transport = engine.transport.name;
    engine.on('upgrade', (transport) => {
      this.transport = transport.name;
      this.#on.onState();
    });
  }

  #disconnected(reason) {
    this.state = 'again';
    this.transport = '';
    this.recovered = false;
    this.naming = false;
    this.#env.clearTimeout(this.#timer);
    // the one end after which the client does not try again
    if (reason === 'io server disconnect') this.#socket.connect();
    this.#on.onState();
  }

  #failed() {
    // Not active: the server said no, and trying again by itself has ended. Otherwise it only could not be reached.
    this.state = this.#socket.active ? (this.#opened ? 'again' : 'connecting') : 'denied';
    this.#on.onState();
  }

  // ---- the name

  #claim(name, tries) {
    this.naming = true;
    this.#wantedName = name;
    this.#socket.timeout(ANSWER_MS).emit('message', name, (error, answer) => {
      if (error && !this.#socket.connected) return; // asked again when it is
      if (!error && answer?.success === true) this.#named(name);
      else if (!error && answer?.error === 'taken' && tries > 1) {
        // Our own, perhaps, held by a connection that the server does not know to be dead yet.
        this.#timer = this.#env.setTimeout(() => this.#claim(name, tries - 1), CLAIM_AGAIN_MS);
      } else this.#unnamed(name, error ? 'ioNotConnected' : answer?.error === 'taken' ? 'ioNameTaken'
        : 'ioNameRefused');
    });
    this.#on.onState();
  }

  #named(name) {
    this.naming = false;
    this.name = name;
    this.#on.onState();
  }

  #unnamed(name, key) {
    this.naming = false;
    this.#wantedName = '';
    this.#on.onNameRefused(key, name);
    this.#on.onState();
  }

  // ---- hearing

  #add(line) {
    this.lines.push(line);
    const over = this.lines.length - MAX_LINES;
    if (over > 0) {
      this.lines.splice(0, over);
      if (this.#mark >= 0) this.#mark = Math.max(0, this.#mark - over);
    }
    this.#on.onLines(1);
  }

  #hear(row) {
    const line = toLine(row, this.#env.now());
    if (line === null || (line.system && isRefusal(line.text))) return;
    if (line.name === this.name && line.whisper === '') this.#cameBack(line.text);
    this.#add(line);
  }

  #hearHistory(rows) {
    if (!Array.isArray(rows)) return;
    const history = rows.map((row) => toLine(row, this.#env.now())).filter((line) => line !== null);
    const mark = this.#mark < 0 ? this.lines.length : this.#mark;
    this.#mark = -1;
    this.lines = mergeHistory(this.lines, history, mark).slice(-MAX_LINES);
    this.#on.onLines(-1);
  }

  #moved(room, inside) {
    if (!ROOMS.includes(room)) return;
    if (inside) this.rooms.add(room);
    else this.rooms.delete(room);
    this.#on.onState();
  }

  // ---- what became of what was said

  #settle(sent) {
    const i = this.pending.indexOf(sent);
    if (i < 0) return false;
    this.pending.splice(i, 1);
    return true;
  }

  #cameBack(text) {
    const sent = this.pending.find((p) => p.to === '' && p.text === text);
    if (sent) this.#settle(sent);
    this.#on.onArrived(text);
  }

  #answered(sent, error, answer) {
    const open = this.#settle(sent);
    if (!error && answer?.success === true) {
      if (sent.to !== '') this.#whispered(sent);
    } else if (open) {
      const key = error ? 'ioUnsure' : sent.to !== '' && answer?.error === 'not_here' ? 'ioNobody'
        : reason(answer?.error);
      this.#on.onReturned(sent.text, sent.to, key);
    }
    this.#on.onState();
  }

  /** Nobody but its reader gets a whisper, so its writer sees it only by this. */
  #whispered(sent) {
    this.#add({ name: this.name, text: sent.text, at: this.#env.now(), system: false, whisper: 'out', to: sent.to });
  }
}

const REASONS = { busy: 'saysBusy', unavailable: 'saysUnavailable', unknown: 'ioUnsure', too_long: 'ioTooLong' };
const reason = (code) => REASONS[code] ?? 'saysRefused';
