// Who hears what: nobody can speak as the server, an id that a client chose stands for one thing only, and what was said
// in a Socket.IO room is for those who were in it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { DescribedFrontEnd } from './lib/described.mjs';
import { Friend, couple } from './lib/friends.mjs';
import { Chatter, IoClient, settleChat } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { say, tell } from './lib/rooms.mjs';
import { keepIn } from './lib/socket.mjs';
import { Player, login, newSpace, seen, settle, transfer, write } from './lib/spaces.mjs';
import { Stack, eventually } from './lib/stack.mjs';

Client.described = new DescribedFrontEnd('chatroom');
Friend.described = new DescribedFrontEnd('friends');
Player.described = new DescribedFrontEnd('spaces');
IoClient.described = new DescribedFrontEnd('socketio');

describe('who hears what', () => {
  let stack;
  const open = [];
  const keep = keepIn(open);
  const member = async (space) => {
    const user = await login(stack);
    assert.equal((await write(stack, `spaces/${space.roomId}/join`, user)).status, 200);
    return user;
  };

  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: 'a-secret-of-the-test-that-is-long-enough',
      grace_ms: '200ms', members_interval_ms: '20ms' } });
  });
  after(async () => {
    for (const client of open) client.close();
    await stack?.checkAndStop();
    await stack?.remove();
  });

  it('no member of a space says what the server says; all else goes through byte for byte', async () => {
    const eve = await login(stack);
    const space = await newSpace(stack, eve);
    const ann = await member(space);
    const [mine, theirs] = [keep(await Player.enter(stack, space, eve, { relay: 1 })),
      keep(await Player.enter(stack, space, ann, { relay: 2 }))];
    await settle(mine, theirs);
    const name = JSON.stringify(space.roomNum);
    const forged = [
      { userLeave: `${ann.nickName}退出了房间` }, { userJoin: 'x', toId: ann.userId }, { userJoin: null },
      { type: 'transfer', seq: 1, transfer: { fromId: ann.userId, toId: eve.userId, score: 100 } }, { transfer: {} },
      { type: 'transfer' }, { type: 'error', code: 'identity', error: 'no' },
      { type: 'system', seq: 1, name: 'system', content: 'free tea' },
    ].map((fields) => JSON.stringify({ spaceName: space.roomNum, ...fields })).concat(
      `{"spaceName":${name},"user\\u004ceave":"x"}`, `{"userLeave":"x","userLeave":null,"spaceName":${name}}`);
    for (const text of forged) {
      mine.ws.send(text);
      assert.equal(await mine.refusal(), 'reserved', text);
    }
    const honest = [{ toId: ann.userId, toMsg: 'userLeave' }, { type: 'chat', data: { userLeave: 'x', transfer: 1 } },
      { userleave: 'x' }, { type: { transfer: 1 } }].map((fields) => mine.say(fields));
    for (const text of honest) await theirs.heard(text);
    for (const text of forged) assert.ok(!theirs.frames.includes(text) && !mine.frames.includes(text));
  });

  it('a transfer is made whatever else its id was used for, and so are the records of coming and going', async () => {
    const ann = await login(stack);
    const space = await newSpace(stack, ann);
    const bob = await member(space);
    const native = keep(await Native.hello(stack, { token: ann.token }, { relay: 2 }));
    const body = { toId: bob.userId, score: 7, clientId: unique('id') };
    const same = JSON.stringify({ fromId: ann.userId, toId: bob.userId, score: 7 });
    for (const clientId of [body.clientId, `t:${body.clientId}`, 'record:join', 'record:leave'])
      await native.must('send', { room: space.roomId, content: same, client_id: clientId });
    const made = await transfer(stack, space, ann, body);
    assert.equal(made.status, 200, made.text);
    const again = await transfer(stack, space, ann, body);
    assert.deepEqual([again.status, again.json.seq], [200, made.json.seq]);
    assert.equal((await transfer(stack, space, ann, { ...body, score: 8 })).status, 409);
    const { standings } = await seen(stack, space, ann);
    assert.deepEqual(standings.map(({ userId, score }) => [userId, score]).sort(),
      [[ann.userId, -7], [bob.userId, 7]].sort());
    const player = keep(await Player.enter(stack, space, ann, { relay: 1 }));
    await player.close();
    const witness = keep(await Player.enter(stack, space, bob, { relay: 1 }));
    await settle(witness);
    // What is said in a space is not stored: having heard it says nothing of the record.
    await eventually(async () => (await seen(stack, space, ann)).records
      .some(({ type, fromId }) => type === '2' && fromId === ann.userId), 'her coming to be on record');
    assert.equal(await native.refused('send', { room: space.roomId, content: 'x', client_id: '\u0001x' }), 'bad_argument');
  });

  it('an id that was used for one thing is refused for another, on every protocol; a retry still is one', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = keep(await Client.join(stack, seat, { relay: 1 }));
    const native = keep(await Native.hello(stack, { user: seat.nickId }, { relay: 2 }));
    const [id, content] = [unique('c'), unique('one thing')];
    const { seq } = await say(stack, seat, content, { clientId: id });
    assert.equal((await say(stack, seat, content, { clientId: id })).seq, seq);
    const other = await tell(stack, seat, { content: unique('another'), clientId: id });
    assert.deepEqual([other.status, other.json.code], [409, 'conflict']);
    assert.equal((await native.must('send', { room: seat.roomId, content, client_id: id })).repeated, true);
    assert.equal(await native.refused('send', { room: seat.roomId, content: 'another', client_id: id }), 'conflict');
    assert.equal(await native.refused('send', { room: seat.roomId, content, kind: 'emoji', client_id: id }), 'conflict');
    assert.equal(await native.refused('edit', { room: seat.roomId, seq, content, client_id: id }), 'conflict');
    client.say('another', { clientId: id });
    assert.equal((await client.next('error')).data.code, 'conflict');
    await native.must('edit', { room: seat.roomId, seq, content: 'changed', client_id: unique('c') });
    assert.equal((await native.must('send', { room: seat.roomId, content, client_id: id })).repeated, true);
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE client_id = ?', [id]), 1);

    const { friendId, one, other: two } = await couple(stack);
    const frame = { friend: friendId, from: one.user.userId, to: two.user.userId, type: 'text', clientId: unique('c') };
    one.sendJson({ ...frame, content: 'first' });
    await two.heard('first');
    one.sendJson({ ...frame, content: 'second' });
    assert.equal(await one.refusal(), 'conflict');
  });

  const chatter = async (relay, options = {}) => keep(await Chatter.enter(stack, unique('name'), { relay, ...options }));
  /** What getAllMessages shows. */
  const history = async (client) => {
    const before = client.all('allMessages').length;
    await client.ask('getAllMessages');
    await client.until(() => client.all('allMessages').length > before, 'the history');
    return client.all('allMessages').at(-1)[0].map(({ content }) => content);
  };

  it('what is said in a room stands in the history of those who were there, on whatever relay', async () => {
    const room = unique('room');
    const [ann, bob, cyn, witness] = [await chatter(1), await chatter(2), await chatter(2), await chatter(2)];
    const [open, before, within, later] = ['open', 'before', 'within', 'later'].map((stem) => unique(stem));
    await ann.say(open);
    await ann.ask('join', room);
    await witness.ask('join', room);
    await ann.say(before);
    await witness.heard(before); // past bob's relay, which counts by what it has heard
    await bob.ask('join', room);
    await ann.say(within);
    await bob.heard(within);
    await bob.ask('leave', room);
    await ann.say(later);
    await ann.heard(later);
    const secret = unique('secret');
    await ann.ask('message', `psst @${bob.name} ${secret}`);
    await bob.heard(secret);
    await ann.ask('leave', room);
    await settleChat(ann, bob, cyn);
    const [anns, bobs, cyns, newcomers] = [await history(ann), await history(bob), await history(cyn),
      await history(await chatter(1))];
    const shown = (list) => [open, before, within, later, secret].filter((content) => list.includes(content));
    assert.deepEqual(shown(anns), [open, before, within, later]);
    assert.deepEqual(shown(bobs), [open, within]);
    for (const list of [cyns, newcomers]) assert.deepEqual(shown(list), [open]);
    for (const client of [ann, cyn]) assert.ok(!JSON.stringify(client.messages).includes(secret));
  });

  it('a recovery gives nothing from before the socket was there, or was in the room, whatever offset it claims', async () => {
    const room = unique('room');
    const [ann, witness] = [await chatter(1), await chatter(2)];
    const [old, oldInRoom, missed, early, missedInRoom] = ['old', 'old-in-room', 'missed', 'early', 'missed-in-room']
      .map((stem) => unique(stem));
    await witness.ask('join', room);
    /** Stored, and past bob's relay: from when on he is there, or in the room, that relay counts by what it has heard. */
    const saidBefore = async (content) => {
      await ann.say(content);
      await witness.heard(content);
    };
    await saidBefore(old);
    await ann.ask('join', room);
    await saidBefore(oldInRoom);
    const bob = await chatter(2, { transports: ['websocket'] });
    await saidBefore(early); // bob is there, but not in the room
    await bob.ask('join', room);
    await bob.event('joined');
    await bob.cut();
    await ann.say(missedInRoom);
    await ann.ask('leave', room);
    await ann.say(missed);
    const [epoch] = bob.socket._lastOffset.split('-');
    bob.socket._lastOffset = `${epoch}-0`;
    const { recovered } = await bob.comeBack(1);
    assert.equal(recovered, true);
    await settleChat(ann, bob);
    const got = [old, oldInRoom, early, missedInRoom, missed].filter((content) => bob.said.includes(content));
    assert.deepEqual(got, [missedInRoom, missed]);
  });
});
