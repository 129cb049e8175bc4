// The library chaguan-client while its transport is cut, frozen and lied to at random moments, its page is reloaded, and
// relays end: no message is lost or stored twice, every event is told once and in order, and what a promise said is so.
// CLIENT_FAULTS=5000 makes it long.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { memoryStorage, webTransport, wxStorage, wxTransport } from '../../client/index.js';
import { Faults } from './lib/faults.mjs';
import { People, listen, stateOf } from './lib/people.mjs';
import { unique } from './lib/socket.mjs';
import { eventually } from './lib/stack.mjs';
import { makeMiniProgram } from './lib/wx.mjs';

const FAULTS = Number(process.env.CLIENT_FAULTS ?? 80);
const AT_ONCE = 6; // commands of a device that have no outcome yet
const EMOJI = ['👍', '🍵', '❤️'];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** One person's device through its lives: the storage and the cursors are what a reload leaves. */
class Device {
  outcomes = new Map(); // by client_id: {cmd, room, content, answer or error}
  events = new Map(); // by conversation
  cursors = new Map();
  resets = [];
  reloads = 0;
  open = 0;
  reacted = new Map();

  /** wx: it is a mini program. */
  constructor(people, name, ids, faults, wx) {
    Object.assign(this, { people, name, ids, storage: wx ? wxStorage(wx, name) : memoryStorage(),
      transport: faults.over(wx ? wxTransport(wx) : webTransport(WebSocket)) });
  }

  async begin() {
    this.client = this.people.connect(this.name, { relay: 0, storage: this.storage, backoff_max_ms: 200, timeout_ms: 2000,
      transport: this.transport });
    this.client.on('settled', ({ client_id, answer, error }) => this.settled(client_id, { answer, error }));
    this.joins = this.ids.map((id) => {
      const room = this.client.conversation(id), { client } = this;
      if (!this.events.has(id)) this.events.set(id, []);
      room.on('event', (event) => {
        if (event.epoch === undefined) return;
        this.events.get(id).push(event);
        this.cursors.set(id, room.cursor);
      });
      room.on('reset', (reset) => this.resets.push({ id, ...reset }));
      return room.join({ cursor: this.cursors.get(id) ?? { epoch: 1, seq: 0 } }).catch((error) => {
        if (this.client === client) throw error; // not of a life that is over
      });
    });
  }

  settled(client_id, outcome) {
    const known = this.outcomes.get(client_id);
    assert.ok(known, `${client_id} was never given`);
    assert.ok(!known.answer && !known.error, `${client_id} has two outcomes`);
    Object.assign(known, outcome);
  }

  /** The page goes, and comes again. */
  async reload() {
    this.client.close();
    this.reloads++;
    await this.begin();
  }

  async give(cmd, id, act, content) {
    this.open++;
    const promise = act(this.client.conversation(id));
    const { client } = this;
    this.outcomes.set(promise.client_id, { cmd, room: id, content });
    try {
      const answer = await promise;
      assert.deepEqual(this.outcomes.get(promise.client_id).answer ?? answer, answer);
    } catch (error) {
      if (error.code === 'closed') assert.notEqual(client, this.client, 'closed by nobody');
    } finally {
      this.open--;
    }
  }

  act() {
    const id = pick(this.ids), content = unique('w');
    const mine = [...this.outcomes.values()].filter(({ cmd, room, answer }) => cmd === 'send' && room === id && answer);
    const of = mine.length && pick(mine).answer.seq, kind = Math.random();
    if (!of || kind < 0.6) return this.give('send', id, (room) => room.send(content), content);
    if (kind < 0.8) return this.give('edit', id, (room) => room.edit(of, content), content);
    if (kind < 0.85) return this.give('recall', id, (room) => room.recall(of));
    return this.react(id, of);
  }

  async react(id, seq) {
    const emoji = pick(EMOJI), on = Math.random() < 0.5, key = `${id} ${seq} ${emoji}`;
    this.reacted.set(key, { id, seq, emoji, on });
    return this.give('react', id, (room) => room.react(seq, emoji, on));
  }
}

describe('the client library, while things go wrong', () => {
  let people, stack;
  before(async () => {
    people = await People.start({ settings: { ping_interval_ms: '300ms' } });
    stack = people.stack;
  });
  after(() => people?.end());

  const storedIn = async (id) => {
    const { ch } = await people.call('GET', `conversations/${id}`);
    return stack.sql('SELECT seq, client_id, content FROM message WHERE conversation = ? ORDER BY seq', [ch]);
  };

  async function check(devices, ids) {
    const totals = { stored: 0, repeated: 0, refused: 0, events: 0 };
    for (const id of ids) {
      const rows = await storedIn(id);
      for (const { name, outcomes, events, resets } of devices) {
        for (const [client_id, { cmd, room, content, answer, error }] of outcomes) {
          if (room !== id || cmd === 'react') continue;
          const stored = rows.filter((row) => String(row.client_id) === client_id).map(({ seq }) => Number(seq));
          const what = `${name}'s ${cmd} ${client_id} ${content}: ${JSON.stringify({ answer, error })}`;
          if (answer) assert.deepEqual(stored, [answer.seq], what);
          else if (error) assert.ok(!stored.length || error.unknown, what);
          else assert.fail(`no outcome: ${what}`);
          totals[answer ? 'stored' : 'refused']++;
          totals.repeated += Boolean(answer?.repeated);
        }
        assert.deepEqual(resets, [], JSON.stringify(resets));
        assert.deepEqual(events.get(id).map(({ seq }) => seq), rows.map(({ seq }) => Number(seq)), `${name} was told each once`);
        totals.events += rows.length;
      }
    }
    return totals;
  }

  it('everything is stored once, told once and in order, and each promise told the truth', async (t) => {
    const names = [unique('ann'), unique('bob')];
    const ids = [await people.room(...names), await people.room(...names)];
    const faults = new Faults();
    const devices = [new Device(people, names[0], ids, faults), new Device(people, names[0], ids, faults, makeMiniProgram(stack)),
      new Device(people, names[1], ids, faults)];
    for (const device of devices) await device.begin();
    await Promise.all(devices.flatMap(({ joins }) => joins));
    faults.share = 0.02;
    let killed = 0;
    while (faults.count < FAULTS) {
      for (const device of devices)
        while (device.open < AT_ONCE) device.act();
      if (Math.random() < 0.02) await pick(devices).reload();
      if (faults.count > FAULTS * (killed + 1) / 3 && killed < 2) {
        const relay = `relay${1 + killed++}`;
        await stack.kill(relay);
        await stack.startPart(relay);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    faults.share = 0;
    await eventually(() => devices.every(({ open, client }) => !open && !client.outbox.length), 'all to have an outcome');
    for (const id of ids) {
      const last = Number((await storedIn(id)).at(-1).seq);
      await eventually(() => devices.every(({ client }) => client.conversation(id).cursor?.seq === last), 'all to have heard all');
    }
    const totals = await check(devices, ids);
    const { reacted, client } = devices[2];
    for (const { id, seq, emoji, on } of reacted.values()) {
      const { events: [message] } = await client.conversation(id).history({ after: seq - 1, limit: 1 });
      if (!message.recalled) assert.equal(message.reactions?.[emoji]?.me ?? false, on, `${emoji} on ${seq}`);
    }
    assert.ok(totals.stored > FAULTS);
    t.diagnostic(JSON.stringify({ ...totals, faults: faults.counts, reloads: devices.reduce((sum, { reloads }) => sum + reloads, 0), relays: killed }));
  });
});
