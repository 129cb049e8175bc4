// The library chaguan-client against a whole server: every call, and what it tells when something is in the way.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { ChaguanError, connect, webTransport } from '../../client/index.js';
import { People, listen, stateOf } from './lib/people.mjs';
import { unique } from './lib/socket.mjs';
import { eventually } from './lib/stack.mjs';

const refusal = (code) => (error) => error instanceof ChaguanError && error.code === code;

describe('the client library', () => {
  let people, stack;
  before(async () => {
    people = await People.start({ settings: { search: 'on', rate_search: 0 } });
    stack = people.stack;
  });
  after(() => people?.end());

  /** Two of a new room, each at a relay of their own, who listen. */
  const two = async () => {
    const names = [unique('ann'), unique('bob')];
    const id = await people.room(...names);
    const [ann, bob] = names.map((name, i) => people.connect(name, { relay: i + 1 }));
    const rooms = [ann, bob].map((client) => client.conversation(id));
    const events = rooms.map((room) => listen(room, 'event'));
    await Promise.all(rooms.map((room) => room.join()));
    return { id, names, ann, bob, rooms, events };
  };
  const said = (text = unique('said')) => {
    stack.keepSecret(text);
    return text;
  };

  it('sends, and the promise settles when it is stored; others hear it, in order', async () => {
    const { rooms: [at, of], events: [, heard], ann } = await two();
    const texts = Array.from({ length: 20 }, () => said());
    const answers = await Promise.all(texts.map((text) => at.send(text)));
    assert.deepEqual(answers.map(({ seq }) => seq), texts.map((_, i) => i + 1));
    assert.equal(answers[0].repeated, false);
    await heard.until(({ seq }) => seq === 20);
    assert.deepEqual(heard.map(({ content }) => content), texts);
    assert.deepEqual(of.cursor, { epoch: 1, seq: 20 });
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content IN (?)', [texts]), 20);
    assert.deepEqual(ann.outbox, []);
  });
});
