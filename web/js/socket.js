// One WebSocket that comes back: connecting, waiting between tries with jittered backoff, giving up only when the
// server says who one is does not do (1008). Knows nothing of messages or of the page; timers and chance are passed in.

const BASE_MS = 500;
const CAP_MS = 20_000;
const FLOOR_MS = 150;
const CONNECT_TIMEOUT_MS = 15_000;
const MAX_BUFFERED_BYTES = 1 << 20;

/** The server will never say yes to the same address: policy violation. */
export const CLOSE_REFUSED = 1008;
export const CLOSE_TOO_BIG = 1009;

/**
 * Milliseconds before try number `attempt` (0 the first time): anywhere between a floor and a ceiling that doubles, so
 * that a thousand pages of a restarted relay do not come back in the same instant.
 */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16));
  return Math.round(FLOOR_MS + random() * (ceiling - FLOOR_MS));
}

/** ws(s)://HOST/?roomId=…&nickId=… for the page's own location. The id goes here and nowhere else. */
export function socketUrl(location, roomId, nickId) {
  const url = new URL('/', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  url.searchParams.set('roomId', roomId);
  url.searchParams.set('nickId', nickId);
  return url.href;
}

/**
 * Callbacks, none of them called before start() returns except onState:
 *   onState(state, waitMs)   'connecting' | 'open' | 'waiting' (waitMs until the next try) | 'stopped'
 *   onOpen()  onFrame(text)  onLost(code)  onRefused(reason): stopped for good
 */
export class Connection {
  #url;
  #on;
  #env;
  #ws = null;
  #timer = null;
  #attempt = 0;
  #running = false;

  constructor(url, on, env = {}) {
    this.#url = url;
    this.#on = on;
    this.#env = {
      WebSocket: globalThis.WebSocket,
      setTimeout: (f, ms) => setTimeout(f, ms),
      clearTimeout: (t) => clearTimeout(t),
      random: Math.random,
      ...env,
    };
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#connect();
  }

  stop() {
    if (!this.#running) return;
    this.#running = false;
    this.#drop();
    this.#on.onState('stopped', 0);
  }

  /** True when the frame was handed to an open socket; that it arrived only the server can say. */
  send(text) {
    const ws = this.#ws;
    if (!ws || ws.readyState !== 1 || ws.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    ws.send(text);
    return true;
  }

  get isOpen() {
    return this.#ws?.readyState === 1;
  }

  /** The server has proved useful: the next loss starts counting from the beginning. */
  proved() {
    this.#attempt = 0;
  }

  /** Not waiting any longer; nothing when a socket is open or on its way. */
  retryNow() {
    if (this.#running && this.#ws === null) this.#connect();
  }

  /** Gives up a socket that looks open but answers nothing. */
  restart() {
    if (!this.#running || this.#ws === null) return;
    this.#drop();
    this.#on.onLost(1006);
    this.#wait();
  }

  #connect() {
    const { WebSocket, setTimeout, clearTimeout } = this.#env;
    clearTimeout(this.#timer);
    this.#on.onState('connecting', 0);
    const ws = new WebSocket(this.#url);
    this.#ws = ws;
    this.#timer = setTimeout(() => this.restart(), CONNECT_TIMEOUT_MS);
    ws.onopen = () => {
      if (ws !== this.#ws) return;
      clearTimeout(this.#timer);
      this.#on.onState('open', 0);
      this.#on.onOpen();
    };
    ws.onmessage = (event) => {
      if (ws === this.#ws) this.#on.onFrame(event.data);
    };
    ws.onclose = (event) => {
      if (ws !== this.#ws) return;
      this.#ws = null;
      clearTimeout(this.#timer);
      this.#on.onLost(event.code);
      if (event.code === CLOSE_REFUSED) {
        this.#running = false;
        this.#on.onState('stopped', 0);
        this.#on.onRefused(event.reason || '');
      } else if (this.#running) {
        this.#wait();
      }
    };
  }

  #wait() {
    const waitMs = backoff(this.#attempt++, this.#env.random);
    this.#on.onState('waiting', waitMs);
    this.#timer = this.#env.setTimeout(() => this.#connect(), waitMs);
  }

  #drop() {
    this.#env.clearTimeout(this.#timer);
    const ws = this.#ws;
    this.#ws = null; // what the old socket still reports is no longer heard
    ws?.close();
  }
}
