// The official Socket.IO client, with everything that happened to it kept, so that a test waits for what it tells of.
import { io } from 'socket.io-client';
import { request, DEADLINE_MS } from './http.mjs';
import { waitFor } from './waiting.mjs';

export { unique } from './socket.mjs';

/** The base address: through nginx (0), or directly of relay n. */
export const ioUrl = (stack, relay = 0) => stack.wsUrl(relay).replace(/^ws/, 'http');

export class IoClient {
  /** A suite of the chat room may set it: all events are held against it (lib/described.mjs). */
  static described = null;

  /** Connected to its namespace. Options are those of the official client, and relay and nsp. */
  static async connect(stack, options) {
    const client = new this(stack, options);
    await client.until(() => client.connects.length, 'the connection');
    return client;
  }

  constructor(stack, { relay = 0, nsp = '/', ...options } = {}) {
    this.stack = stack;
    this.events = []; // {name, args}, as the application would get them
    this.connects = []; // {id, recovered, transport}
    this.disconnects = []; // reasons
    this.refusals = []; // errors of connect_error
    this.engineErrors = [];
    this.waiters = new Set();
    this.socket = io(ioUrl(stack, relay) + nsp,
      { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 200, timeout: DEADLINE_MS, ...options });
    stack.atEnd(() => {
      this.socket.io.reconnection(false);
      this.socket.disconnect();
    });
    this.watch(this.socket);
    this.socket.io.on('open', () => this.watchEngine());
  }

  /** Another namespace on the same connection. */
  static beside(client, nsp, options = {}) {
    const other = Object.create(this.prototype);
    Object.assign(other, { stack: client.stack, events: [], connects: [], disconnects: [], refusals: [],
      engineErrors: client.engineErrors, waiters: new Set() });
    other.socket = client.socket.io.socket(nsp, options);
    other.watch(other.socket);
    return other;
  }

  watch(socket) {
    const wake = () => this.wake();
    socket.onAny((name, ...args) => {
      this.got(name, args);
      wake();
    });
    socket.on('connect', () => {
      this.stack.keepSecret(socket._pid); // whoever knows it gets what this client has missed
      this.connects.push({ id: socket.id, recovered: Boolean(socket.recovered),
        transport: this.engine.transport.name });
      wake();
    });
    socket.on('disconnect', (reason) => {
      this.disconnects.push(reason);
      wake();
    });
    socket.on('connect_error', (error) => {
      this.refusals.push(error);
      wake();
    });
  }

  got(name, args) {
    IoClient.described?.check(name === 'allMessages' ? 'all_messages' : name, args);
    this.events.push({ name, args });
  }

  watchEngine() {
    const engine = this.engine;
    this.stack.keepSecret(engine.id); // whoever knows it can speak as this client
    engine.on('error', (error) => this.engineErrors.push(error));
    engine.on('upgradeError', (error) => this.engineErrors.push(error));
    // it tells before it is done
    for (const event of ['upgrade', 'close', 'ping', 'drain']) engine.on(event, () => setImmediate(() => this.wake()));
    this.wake();
  }

  get engine() {
    return this.socket.io.engine;
  }

  get id() {
    return this.socket.id;
  }

  wake() {
    for (const waiter of this.waiters) waiter();
  }

  /** Resolves with the predicate's first truthy value, asked again whenever something has happened. */
  until(predicate, what = String(predicate)) {
    const seen = () => `; disconnected by '${this.disconnects}', refused by '${this.refusals.map((e) => e.message)}'; ` +
      `the last of ${this.events.length} events:\n` +
      this.events.slice(-5).map((event) => JSON.stringify(event).slice(0, 200)).join('\n');
    return waitFor(this, predicate, what, { seen });
  }

  /** The arguments of all events of that name so far. */
  all(name) {
    return this.events.filter((event) => event.name === name).map((event) => event.args);
  }

  /** The arguments of the nth (from 1) event of that name, once it is here. */
  event(name, nth = 1) {
    return this.until(() => this.all(name)[nth - 1], `event ${nth} of ${name}`);
  }

  /** Emits and gives the arguments of the answer: rejects when there is none. */
  async ask(name, ...args) {
    const answer = await new Promise((resolve, reject) => {
      this.socket.timeout(DEADLINE_MS).emit(name, ...args,
        (error, ...given) => (error ? reject(error) : resolve(given)));
    });
    IoClient.described?.check('ack', answer);
    return answer;
  }

  upgraded() {
    return this.until(() => this.engine.transport.name === 'websocket' && !this.engine.upgrading, 'the upgrade');
  }

  /** Cuts the wire without a word. It stays cut until comeBack. */
  async cut() {
    this.socket.io.reconnection(false);
    const before = this.disconnects.length;
    if (this.engine.transport.name === 'websocket') this.engine.transport.ws.terminate();
    else this.engine.close();
    await this.until(() => this.disconnects.length > before, 'the cut');
  }

  /** Connects again, perhaps elsewhere; its namespaces with it. */
  async comeBack(relay) {
    const before = this.connects.length;
    if (relay !== undefined) this.socket.io.uri = ioUrl(this.stack, relay);
    this.socket.io.reconnection(true);
    this.socket.connect();
    await this.until(() => this.connects.length > before, 'its return');
    return this.connects.at(-1);
  }

  close() {
    this.socket.io.reconnection(false);
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}

/** A client of the article's chat room. */
export class Chatter extends IoClient {
  /** Connected and with a name. */
  static async enter(stack, name, options) {
    const client = await this.connect(stack, options);
    client.name = name;
    const [answer] = await client.ask('message', name);
    if (!answer.success) throw new Error(`the name was not given: ${answer.error}`);
    return client;
  }

  /** Says it and gives the acknowledgement, which comes when it is stored. */
  async say(content) {
    this.stack.keepSecret(content);
    const [answer] = await this.ask('message', content);
    return answer;
  }

  get messages() {
    return this.all('message').map(([message]) => message);
  }

  /** What people said. */
  get said() {
    return this.messages.filter((m) => m.username !== '系统').map((m) => m.content);
  }

  /** What the server said. */
  get lines() {
    return this.messages.filter((m) => m.username === '系统').map((m) => m.content);
  }

  heard(content) {
    return this.until(() => this.messages.find((m) => m.content === content && m.username !== '系统'),
      `the message ${content.slice(0, 60)}`);
  }

  line(content) {
    return this.until(() => this.lines.includes(content), `the line ${content}`);
  }
}

/** Proves that nothing more is on its way to these: the first one says something to everybody, and all have heard
 *  it. */
export async function settleChat(speaker, ...others) {
  const content = `settled-${Math.random().toString(36).slice(2)}`;
  await speaker.say(content);
  await Promise.all([speaker, ...others].map((client) => client.heard(content)));
}

// ---- without the official client: packets as they are ----

export const SEPARATOR = '\x1e';

/** A polling session spoken by hand: {sid, get(), post(body), headers…}. */
export class Polling {
  static async open(stack, { relay = 0, path = '/socket.io/' } = {}) {
    const session = new Polling();
    session.base = `${ioUrl(stack, relay)}${path}?EIO=4&transport=polling`;
    const answer = await request(session.base);
    if (answer.status !== 200) throw new Error(`no session: ${answer.status} ${answer.text}`);
    session.open = JSON.parse(answer.text.slice(1));
    session.sid = stack.keepSecret(session.open.sid);
    return session;
  }

  /** With the default namespace joined; the answer to that is read. */
  static async joined(stack, options) {
    const session = await Polling.open(stack, options);
    await session.post('40');
    session.first = await session.packets();
    const isAuth = (packet) => packet.startsWith('42["auth"'); // the echo says it a little later
    if (stack.settings.io_app === 'echo' && !session.first.some(isAuth))
      session.first.push(await session.packet('42["auth"'));
    return session;
  }

  get url() {
    return `${this.base}&sid=${this.sid}`;
  }

  get() {
    return request(this.url);
  }

  post(body, headers = {}) {
    return request(this.url, { method: 'POST', body,
      headers: { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': Buffer.byteLength(body), ...headers } });
  }

  /** The packets of one poll. */
  async packets() {
    const answer = await this.get();
    if (answer.status !== 200) throw new Error(`a poll was answered with ${answer.status} ${answer.text}`);
    return answer.text.split(SEPARATOR);
  }

  /** Polls, answering pings, until a packet begins like this. */
  async packet(beginning) {
    for (;;) {
      for (const packet of await this.packets()) {
        if (packet === '2') await this.post('3');
        else if (packet.startsWith(beginning)) return packet;
      }
    }
  }
}
