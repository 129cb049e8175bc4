// The five ways to hear a room. Each is a Wire: start(), stop(), and callbacks:
//   onState(state)       'connecting' | 'open' | 'waiting' (until the next try) | 'off'
//   onCost({requests, body, head, empty})   any of them: add to what was counted
//   onEvent({type, data})
//   onGone()             the server does not know the seat: no use in trying again
// What the browser offers is used the way a page without a library would.

import { byteLength, readEvents } from '../frames.js';
import { Connection, backoff, socketUrl } from '../socket.js';
import { eventBytes, frameBytes, headBytes, readEvent, readPoll, scriptBytes } from './measure.js';

const LONG_WAIT_S = 50; // the server holds a poll for 55 s at most
const POLL_EVERY_MS = 2000;

function address(seat, what, query) {
  const url = new URL(`/rooms/${encodeURIComponent(seat.roomId)}/${what}`, location.origin);
  for (const [name, value] of Object.entries({ nickId: seat.nickId, ...query })) url.searchParams.set(name, value);
  return url.href;
}

class Wire {
  running = false;
  #timer = null;
  #attempt = 0;

  constructor(seat, on) {
    this.seat = seat;
    this.on = on;
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.#attempt = 0;
    this.open();
  }

  stop() {
    if (!this.running) return;
    this.running = false;
    clearTimeout(this.#timer);
    this.close();
    this.on.onState('off');
  }

  proved() {
    this.#attempt = 0;
    this.on.onState('open');
  }

  later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.running && this.open(), ms);
  }

  lost() {
    if (!this.running) return;
    this.on.onState('waiting');
    this.later(backoff(this.#attempt++));
  }
}

/** waitSeconds 0: plain polling, with a pause between the answer and the next question. */
class Poll extends Wire {
  #waitSeconds;
  #pauseMs;
  #abort;
  #at = {}; // {after, epoch}: up to where everything has been heard
  #heard = false; // the latest question was answered

  constructor(seat, on, waitSeconds, pauseMs) {
    super(seat, on);
    this.#waitSeconds = waitSeconds;
    this.#pauseMs = pauseMs;
  }

  async open() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      this.on.onCost({ requests: 1 });
      if (!this.#heard) this.on.onState('connecting');
      // The first question, also after a failure, is answered at once: nobody wants to wait to know that it works.
      const query = { wait: this.#heard ? this.#waitSeconds : 0, ...this.#at };
      this.#heard = false;
      const response = await fetch(address(this.seat, 'poll', query), { cache: 'no-store', signal });
      const text = await response.text();
      this.on.onCost({ body: byteLength(text), head: headBytes(response.headers) });
      if (signal.aborted) return;
      if (response.status === 404) this.on.onGone();
      else if (response.ok) this.#hear(JSON.parse(text));
      else this.lost();
    } catch {
      if (!signal.aborted) this.lost();
    }
  }

  close() {
    this.#abort.abort();
  }

  #hear(value) {
    const answer = readPoll(value);
    if (answer === null) return this.lost();
    if (answer.events.length === 0 && 'after' in this.#at && !answer.reset) this.on.onCost({ empty: 1 });
    this.#at = { after: answer.next, ...(answer.epoch !== undefined && { epoch: answer.epoch }) };
    this.#heard = true;
    this.proved();
    for (const event of answer.events) this.on.onEvent(event);
    this.later(this.#pauseMs);
  }
}

export class Polling extends Poll {
  constructor(seat, on) {
    super(seat, on, 0, POLL_EVERY_MS);
  }
}

export class LongPolling extends Poll {
  constructor(seat, on) {
    super(seat, on, LONG_WAIT_S, 0);
  }
}

export class Events extends Wire {
  #source;
  #last = ''; // the id of the latest event

  open() {
    this.on.onState('connecting');
    this.on.onCost({ requests: 1 });
    // While it lasts the browser resumes by itself, with a header that a new one does not have.
    const source = new EventSource(address(this.seat, 'events', this.#last === '' ? {} : { lastEventId: this.#last }));
    this.#source = source;
    source.onopen = () => this.proved();
    source.onerror = () => {
      if (source !== this.#source || !this.running) return;
      if (source.readyState === EventSource.CLOSED) return this.lost(); // an answer that is none; it has given up
      this.on.onState('waiting');
      this.on.onCost({ requests: 1 }); // it tries again by itself
    };
    const hear = (event) => {
      this.#last = event.lastEventId;
      this.on.onCost({ body: eventBytes(event) });
      this.on.onEvent({ type: event.type, data: parse(event.data) });
    };
    for (const type of ['message', 'members']) source.addEventListener(type, hear);
  }

  close() {
    this.#source.close();
    this.#source = null;
  }
}

let frames = 0;

export class Frame extends Wire {
  #name = `chaguanStream${++frames}`;
  #frame;
  #epoch = null; // of the numbers
  #seq = null; // of the latest event

  open() {
    this.on.onState('connecting');
    this.on.onCost({ requests: 1 });
    const frame = document.createElement('iframe');
    this.#frame = frame;
    frame.hidden = true;
    frame.title = 'stream';
    globalThis[this.#name] = (value) => this.#hear(value);
    frame.addEventListener('load', () => { // the page that has no end has ended
      if (frame !== this.#frame) return;
      this.close();
      this.lost();
    });
    const after = this.#epoch === null ? {} : { after: `${this.#epoch}-${this.#seq}` };
    frame.src = address(this.seat, 'stream', { callback: this.#name, ...after });
    document.body.append(frame);
  }

  #hear(value) {
    const script = this.#frame?.contentDocument?.currentScript;
    if (!script) return; // a frame of before
    this.on.onCost({ body: scriptBytes(script.textContent) });
    script.remove(); // or the page would grow for ever
    this.proved();
    const event = readEvent(value);
    if (event === null) return;
    if (event.seq !== null) this.#seq = event.seq;
    if (event.type === 'open' || event.type === 'reset') this.#epoch = event.data?.epoch ?? null;
    else this.on.onEvent(event);
  }

  close() {
    const frame = this.#frame;
    this.#frame = null;
    delete globalThis[this.#name];
    frame?.remove();
  }
}

export class Socket extends Wire {
  #connection;

  open() {
    const states = { connecting: 'connecting', open: 'open', waiting: 'waiting', stopped: 'off' };
    this.#connection = new Connection(socketUrl(location, this.seat.roomId, this.seat.nickId), {
      onState: (state) => {
        if (state === 'connecting') this.on.onCost({ requests: 1 });
        this.on.onState(states[state]);
      },
      onOpen: () => this.#connection.proved(),
      onFrame: (text) => {
        if (typeof text !== 'string') return;
        this.on.onCost({ body: frameBytes(text) });
        for (const event of readEvents(text)) this.on.onEvent(event);
      },
      onLost: () => {},
      onRefused: () => this.on.onGone(),
    });
    this.#connection.start();
  }

  close() {
    this.#connection.stop();
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
