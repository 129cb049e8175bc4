// MariaDB stands still for longer than a message may wait: what waits behind the batch in flight is answered before it.
// Every answer must be its own command's, and true: what was acknowledged is stored under that number, what was refused
// is not, and no relay ends over it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { enter } from './lib/client.mjs';
import { Chatter } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { unique } from './lib/socket.mjs';
import { Stack, eventually } from './lib/stack.mjs';

/** What somebody says and what they are told of it, in the order of the answers. */
class Said {
  constructor(say) {
    this.say = say;
    this.asked = [];
    this.told = [];
  }

  more(count) {
    for (let i = 0; i < count; i++) {
      const content = unique('said');
      const number = this.asked.push(content) - 1;
      this.say(content, number, (what, seq) => this.told.push({ number, content, what, seq }));
    }
  }

  count(what) {
    return this.told.filter((answer) => answer.what === what).length;
  }

  async all() {
    await eventually(() => this.told.length >= this.asked.length, 'every answer');
    assert.deepEqual(this.told.map(({ number }) => number).sort((a, b) => a - b), this.asked.map((_, i) => i),
      'one answer for each');
  }

  /** Something that was said later was answered before what was acknowledged. */
  get overtaken() {
    return this.told.some(({ what, number }, at) => what === 'ok' &&
      this.told.slice(0, at).some((earlier) => earlier.number > number && earlier.what === 'unavailable'));
  }
}

/** Speaks in several rooms by turns over one native connection, and does not wait for answers. */
const native = async (stack, relay, nick, rooms) => {
  const seats = [];
  for (const room of rooms) seats.push(await enter(stack, room, nick));
  const client = await Native.hello(stack, { user: seats[0].nickId }, { relay });
  for (const { roomId } of seats) await client.join(roomId);
  return new Said((content, number, tell) => {
    const id = client.command('send', { room: seats[number % seats.length].roomId, content, client_id: content });
    client.answer(id).then(({ ok, seq, error }) => tell(ok ? 'ok' : error.code, seq));
  });
};

const chatter = async (stack, relay) => {
  const client = await Chatter.enter(stack, unique('name'), { relay });
  return new Said((content, number, tell) => {
    stack.keepSecret(content);
    client.socket.emit('message', content, ({ success, error, seq }) => tell(success ? 'ok' : error, seq));
  });
};

describe('answers that overtake each other', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { journal_timeout_ms: '700ms', db_timeout_ms: '20s', journal_batch: 3,
      rate_connection: 10_000, rate_connection_burst: 10_000, rate_user: 10_000, rate_user_burst: 10_000,
      rate_address: 10_000, rate_address_burst: 10_000 } });
  });
  after(() => stack?.remove());

  it('MariaDB frozen under clients that do not wait: every answer is its command\'s, and true', async () => {
    const relays = ['relay1', 'relay2'], pids = relays.map((name) => stack.pid(name));
    const rooms = [unique('room'), unique('room')];
    const speakers = [
      await native(stack, 1, unique('ann'), rooms),
      await native(stack, 2, unique('bob'), rooms),
      await chatter(stack, 1),
      await chatter(stack, 2),
    ];
    for (let round = 0; round < 3; round++) {
      for (const speaker of speakers) speaker.more(5);
      for (const speaker of speakers) await speaker.all();
      const refused = speakers.map((speaker) => speaker.count('unavailable'));
      await stack.kill('mariadb', 'STOP');
      for (const speaker of speakers) speaker.more(20);
      await eventually(() => speakers.every((speaker, i) => speaker.count('unavailable') >= refused[i] + 10),
        'what waits to be refused');
      for (const speaker of speakers) speaker.more(20); // some of it still waits when the server goes on
      await stack.kill('mariadb', 'CONT');
      for (const speaker of speakers) speaker.more(5);
      for (const speaker of speakers) await speaker.all();
      await eventually(async () => {
        for (const speaker of speakers) speaker.more(1);
        for (const speaker of speakers) await speaker.all();
        return speakers.every((speaker) => speaker.told.at(-1).what === 'ok');
      }, 'messages to be stored again');
    }
    for (const [i, name] of relays.entries()) {
      assert.equal(stack.exitStatus(name), undefined, `${name} lives`);
      assert.equal(stack.pid(name), pids[i]);
      assert.equal(await stack.metric(name, 'answers_unexpected_total'), 0);
    }
    const stored = new Map();
    for (const { content, seq } of await stack.sql(`SELECT content, seq FROM message WHERE content LIKE 'said-%'`)) {
      assert.ok(!stored.has(content), 'nothing is stored twice');
      stored.set(content, Number(seq));
    }
    for (const { content, what, seq } of speakers.flatMap(({ told }) => told))
      if (what === 'ok') assert.equal(stored.get(content), seq, 'what was acknowledged is stored under its number');
      else if (what !== 'unknown') assert.deepEqual([what, stored.get(content)], [what, undefined], 'what was refused is not stored');
    assert.ok(speakers.some((speaker) => speaker.overtaken), 'answers have overtaken each other');
    await stack.checkAndStop();
  });
});
