// The people who are there meanwhile: two who talk, each on another relay, and newcomers of every kind. They come from an
// address of their own, and are clients as anyone has them.
import { request } from '../integration/lib/http.mjs';
import { Client, enter, unique } from '../integration/lib/client.mjs';
import { IoClient } from '../integration/lib/io.mjs';
import { Native } from '../integration/lib/native.mjs';
import { percentile } from './percentile.mjs';

const TALK_MS = 50;
const NEWCOMER_MS = 400;
const NEWCOMER_LIMIT_MS = 10_000;

async function timed(act) {
  const begun = performance.now();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${NEWCOMER_LIMIT_MS} ms`)), NEWCOMER_LIMIT_MS);
  });
  try {
    await Promise.race([act(), late]);
  } finally {
    clearTimeout(timer);
  }
  return performance.now() - begun;
}

/** Two people in one room, on relays 1 and 2, each of whom says something now and then. */
export class Pair {
  latencies = [];
  unheard = new Map();

  static async join(stack) {
    const pair = new Pair();
    const room = unique('honest');
    pair.people = [];
    for (const relay of [1, 2])
      pair.people.push(await Client.join(stack, await enter(stack, room, unique('honest')), { relay }));
    pair.people.forEach((person) => person.ws.on('message', (data) => pair.heard(person, data)));
    return pair;
  }

  heard(person, data) {
    for (const { type, data: said } of JSON.parse(data.toString())) {
      const begun = type === 'message' && this.unheard.get(said.log_content);
      if (!begun || begun.by === person) continue;
      this.latencies.push(performance.now() - begun.at);
      this.unheard.delete(said.log_content);
    }
  }

  begin() {
    this.latencies = [];
    this.unheard.clear();
    let turn = 0;
    this.timer = setInterval(() => {
      const by = this.people[turn++ % 2];
      if (by.closeInfo) return;
      const content = unique('said');
      this.unheard.set(content, { by, at: performance.now() });
      by.say(content);
    }, TALK_MS);
  }

  /** Ends the talk once everything said has been heard, or is lost. */
  async end() {
    clearInterval(this.timer);
    const deadline = performance.now() + 5_000;
    while (this.unheard.size && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    return { said: this.latencies.length + this.unheard.size, lost: this.unheard.size,
      closed: this.people.filter((person) => person.closeInfo).length,
      p50: percentile(this.latencies, 0.5), p99: percentile(this.latencies, 0.99) };
  }

  async close() {
    await Promise.all(this.people.map((person) => person.close()));
  }
}

const ways = {
  async chatroom(stack) {
    const client = await Client.join(stack, await enter(stack, unique('new'), unique('new')));
    client.ws.terminate();
  },
  async native(stack, person) {
    const native = await Native.hello(stack, { user: person.nickId });
    await native.join(person.roomId);
    native.ws.terminate();
  },
  async socketio(stack) {
    const client = await IoClient.connect(stack, { reconnection: false });
    client.socket.emit('getAllMessages');
    await client.event('allMessages');
    client.socket.disconnect();
  },
  async rest(stack) {
    const answer = await request(`${stack.url}/api/getRoomNums`);
    if (answer.status !== 200 || !answer.json?.success) throw new Error(`${answer.status} ${answer.text}`);
  },
};

/** Newcomers of each kind, one after the other, until told to end. */
export class Newcomers {
  times = [];
  failures = [];

  static async begin(stack) {
    const newcomers = new Newcomers();
    newcomers.person = await enter(stack, unique('new'), unique('new'));
    newcomers.running = Object.entries(ways).map(([way, act]) => newcomers.keepComing(stack, way, act));
    return newcomers;
  }

  async keepComing(stack, way, act) {
    while (!this.over) {
      try {
        this.times.push({ way, ms: await timed(() => act(stack, this.person)) });
      } catch (error) {
        this.failures.push(`${way}: ${error.message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, NEWCOMER_MS));
    }
  }

  async end() {
    this.over = true;
    await Promise.all(this.running);
    return { came: this.times.length, failures: this.failures, p50: percentile(this.times.map(({ ms }) => ms), 0.5),
      slowest: this.times.reduce((most, one) => (one.ms > most.ms ? one : most), { way: 'none', ms: 0 }) };
  }
}
