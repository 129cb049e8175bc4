// What all clients of one round share: the stack, the dice, the history that they write, and how they call and wait.
import http from 'node:http';
import WebSocket from 'ws';

/** Numbers from a seed (mulberry32): the same seed, the same plan. */
export class Dice {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** 0 ≤ number < 1 */
  roll() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  between(low, high) {
    return low + Math.floor(this.roll() * (high - low + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }
}

/** The statuses that say that nothing was done, whatever the body. All others but 200, no answer and half an answer leave
 *  it open. */
export const NOT_DONE = [400, 401, 403, 404, 409, 413, 415, 429, 501, 503, 507];

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** How long a client believes that an answer may still come. Longer than any fault and any limit of the servers. */
export const PATIENCE_MS = 60_000;
const PUT_BACK = 'The history was put back';
const HANDSHAKE_MS = 5_000;
const CALL_MS = 8_000;
const BURST = 30; // unanswered at once, at most

export class World {
  history = [];
  talking = true;
  over = false;
  transfers = new Map(); // points → what the transfer is called here
  #texts = 0;

  constructor(stack, seed, name) {
    Object.assign(this, { stack, name, dice: new Dice(seed ^ 0x5eed) });
  }

  record(line) {
    if (!this.closed) this.history.push(line);
  }

  wrong(what) {
    this.record({ ev: 'wrong', what });
  }

  /** A text that occurs nowhere else. */
  text(by) {
    return `${this.name} ${by} ${++this.#texts}`;
  }

  /** A client comes back after a random time below a limit that doubles: a thousand do not come at once. */
  jitter(tries) {
    return pause(Math.random() * Math.min(1000, 50 * 2 ** tries));
  }

  /** Asks again until it holds; false when that took too long. */
  async until(holds, ms = PATIENCE_MS) {
    for (const end = Date.now() + ms; !(await holds());) {
      if (Date.now() > end || this.over) return false;
      await pause(20);
    }
    return true;
  }

  /** Mostly through nginx; sometimes a relay's own port. */
  port() {
    const relay = Math.random() < 0.75 ? 0 : 1 + Math.floor(Math.random() * this.stack.relays);
    try {
      return relay ? this.stack.relayPort(relay) : this.stack.port;
    } catch {
      return this.stack.port; // it is just being started
    }
  }

  dial(path, protocols = []) {
    return new WebSocket(`ws://127.0.0.1:${this.port()}${path}`, protocols,
      { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS });
  }

  /** {status, json}; rejects if there is no whole answer in time. */
  call(path, { body, port = this.stack.port, ms = CALL_MS, headers = {}, raw } = {}) {
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const method = text === undefined ? 'GET' : 'POST';
      if (text !== undefined)
        headers = { 'Content-Type': 'application/json', ...headers, 'Content-Length': Buffer.byteLength(text) };
      const req = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false,
        signal: AbortSignal.timeout(ms) }, (res) => {
        let got = '';
        res.setEncoding('utf8');
        res.on('data', (part) => {
          got += part;
        });
        res.on('error', reject);
        res.on('end', () => {
          try {
            resolve({ status: res.statusCode, json: JSON.parse(got) });
          } catch {
            resolve({ status: res.statusCode });
          }
        });
      });
      req.on('error', reject);
      req.end(text);
    });
  }

  /** A response without an end: `take` gets its text as it comes. Resolves when it has ended. */
  stream(path, { headers = {}, opened, take }) {
    return new Promise((resolve, reject) => {
      const req = http.get({ host: '127.0.0.1', port: this.port(), path, agent: false, headers }, (res) => {
        clearTimeout(timer);
        if (res.statusCode !== 200) {
          res.resume();
          reject(new Error(`answered with ${res.statusCode}`));
          return;
        }
        res.setEncoding('utf8');
        res.on('data', take);
        res.on('error', resolve);
        res.on('close', resolve);
        opened(() => req.destroy());
      });
      const timer = setTimeout(() => req.destroy(new Error('no answer')), HANDSHAKE_MS);
      req.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
  }
}

/** One reader's place in one room. */
export class Place {
  last = undefined; // the highest number that it had

  constructor(world, name, room) {
    Object.assign(this, { world, name, room });
  }

  /** A connection is up. after: the cursor it goes on from. */
  opened(after, more = {}) {
    this.world.record({ ev: 'open', reader: this.name, room: this.room, after, ...more });
  }

  had(seq, text, how = 'live') {
    this.world.record({ ev: 'deliver', reader: this.name, room: this.room, seq, text, how });
    if (how !== 'early') this.last = Math.max(this.last ?? 0, seq);
  }

  lost() {
    this.world.record({ ev: 'reset', reader: this.name, room: this.room });
    this.last = undefined;
  }
}

/** Somebody who comes back until told to go. `session` lasts as long as one connection. Most are in one room, and are
 *  their own place there. */
export class Client extends Place {
  tries = 0;
  connected = false;

  /** Where it reads. */
  get places() {
    return [this];
  }

  start() {
    this.running = this.run();
    return this;
  }

  async run() {
    while (!this.closing) {
      await this.session().catch((error) => {
        this.trouble = error.message;
      });
      this.connected = false;
      this.tries++;
      if (!this.closing) await this.world.jitter(this.tries);
    }
  }

  /** Goes, and waits until its connection is over. */
  async stop() {
    this.closing = true;
    this.cut?.();
    if (!(await Promise.race([this.running.then(() => true), pause(PATIENCE_MS)])))
      this.world.wrong(`${this.name} cannot go`);
  }

  /** How this connection is ended; at once, if it only came when its client was about to go. */
  cutBy(cut) {
    this.cut = cut;
    if (this.closing) cut();
  }

  opened(after, more) {
    this.tries = 0;
    this.connected = true;
    super.opened(after, more);
  }

  /** The server said that the numbers mean something else now. */
  putBack() {
    this.lost();
  }

  /** Says things while there is talk, one after the other, or in several lanes at once. `say` gives {what, seq?, why?} of
   *  one try. */
  talk(pace = 40) {
    this.talking = Promise.all(Array.from({ length: this.lanes ?? 1 }, () => this.talkOn(pace)));
    return this;
  }

  async talkOn(pace) {
    const { world, name, room } = this;
    while (world.talking) {
      if (!(await world.until(() => this.canSay() || !world.talking)) || !world.talking) continue;
      const text = world.text(name);
      // what is tried once without an id of its own shows whether that very answer is true
      const once = this.lanes && Math.random() < 0.4;
      const clientId = this.retries && !once ? text.replaceAll(' ', '.') : undefined;
      world.record({ ev: 'send', by: name, room, text, clientId });
      await this.sayUntilKnown(text, clientId);
      await pause(Math.random() * 2 * pace);
    }
  }

  /** With a client id, until it is known what became of it; or, after nothing but refusals, perhaps given up. */
  async sayUntilKnown(text, clientId) {
    for (let refusals = 0, tries = 0; ; tries++) {
      const answer = await this.say(text, clientId);
      this.world.record({ ev: 'answer', by: this.name, text, ...answer });
      if (answer.what === 'refused') refusals++;
      const givesUp = refusals === tries + 1 && Math.random() < 0.3;
      if (!clientId || answer.what === 'ack' || givesUp || this.world.over) return;
      await this.world.jitter(tries);
      await this.world.until(() => this.canSay());
    }
  }

  canSay() {
    return this.connected;
  }

  /** One thing that was said, until `answered` is called or the connection ends. */
  ask(send) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.world.wrong(`${this.name} was left without an answer for ${PATIENCE_MS / 1000} s on an open connection`);
        this.answered({ what: 'unknown', why: 'silence' });
        this.cut?.();
      }, PATIENCE_MS);
      this.answered = (answer) => {
        clearTimeout(timer);
        this.answered = undefined;
        resolve(answer);
      };
      send();
    });
  }

  /** The life of a WebSocket. Errors of the handshake only end it. */
  live(ws, { open, message }) {
    this.cut = () => ws.terminate();
    return new Promise((resolve) => {
      ws.on('error', (error) => {
        this.trouble = error.message;
      });
      ws.on('open', open);
      ws.on('message', (data) => message(JSON.parse(data.toString('utf8'))));
      ws.on('close', (code, reason) => {
        if (String(reason).startsWith(PUT_BACK)) this.putBack();
        this.answered?.({ what: 'unknown', why: `closed with ${code}` });
        resolve();
      });
    });
  }
}

/** What somebody has said in bursts, and knows the outcome of none of yet: each gets one, by its own name. */
export class Outstanding {
  said = new Map(); // text → since when

  constructor(client) {
    this.client = client;
  }

  has(text) {
    return this.said.has(text);
  }

  settle(text, answer) {
    const { world, name } = this.client;
    if (!this.said.delete(text)) world.wrong(`${name}: an answer to ${text}, which it never said here, or twice`);
    else world.record({ ev: 'answer', by: name, text, ...answer });
  }

  /** Nothing more will be heard of any. */
  lose(why) {
    for (const text of this.said.keys()) this.settle(text, { what: 'unknown', why });
  }

  /** Until the talk is over and everything said has its answer. `write(text)` says one thing; `before` is done between two
   *  bursts. */
  async burst(write, { most = BURST, before } = {}) {
    const { client } = this;
    const { world } = client;
    while (world.talking || (this.said.size && !world.over)) {
      if (world.talking && client.canSay()) before?.();
      const room = world.talking && client.canSay() ? most - this.said.size : 0;
      for (let i = Math.floor(Math.random() * (room + 1)); i > 0 && client.canSay(); i--) {
        const text = world.text(client.name);
        world.record({ ev: 'send', by: client.name, room: client.room, text });
        this.said.set(text, Date.now());
        write(text);
      }
      const [first] = this.said.values();
      if (Date.now() - first > PATIENCE_MS) {
        world.wrong(`${client.name} was left without an answer for ${PATIENCE_MS / 1000} s on an open connection`);
        this.lose('silence');
        client.cut?.();
      }
      await pause(200 + Math.random() * 600);
    }
  }
}
