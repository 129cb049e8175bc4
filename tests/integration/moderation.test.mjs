// Mutes, bans and kicks by the operator's command and the admin calls: at once on every relay and every transport, on
// coming back, over REST, and without Redis; and a relay that is told to drain.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Customer, register, chatInfo } from './lib/customers.mjs';
import { Friend, befriend, newUser, tell as tellFriends } from './lib/friends.mjs';
import { IoClient } from './lib/io.mjs';
import { DescribedFrontEnd, DescribedSocket } from './lib/described.mjs';
import { Native } from './lib/native.mjs';
import { Events, Listener, Stream, ask, roomUrl, say, tell } from './lib/rooms.mjs';
import { keepIn } from './lib/socket.mjs';
import { Player, login, newSpace, write } from './lib/spaces.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

Native.described = new DescribedSocket();
Client.described = Listener.described = new DescribedFrontEnd('chatroom');
Friend.described = new DescribedFrontEnd('friends');
Customer.described = new DescribedFrontEnd('customers');
Player.described = new DescribedFrontEnd('spaces');

const TOKEN = 'the-admin-token-of-these-tests';

describe('moderation', () => {
  let stack;
  const open = [];
  const keep = keepIn(open);
  const seatIn = (roomName = unique('room'), nick = unique('nick')) => enter(stack, roomName, nick);
  const joined = async (seat, relay) => keep(await Client.join(stack, seat, { relay }));
  const admin = (order, body, headers = { Authorization: `Bearer ${TOKEN}` }) => post(`${stack.url}/api/admin/${order}`,
    body, headers);
  /** Carried out; what it printed. */
  async function operate(...words) {
    const { code, stdout, stderr } = await stack.chaguan(...words);
    assert.equal(code, 0, `chaguan ${words.join(' ')}: ${stderr}`);
    return stdout;
  }
  async function refused(...words) {
    const { code, stderr } = await stack.chaguan(...words);
    assert.equal(code, 2, `chaguan ${words.join(' ')}`);
    assert.match(stderr, /^chaguan: .+$/m);
    return stderr;
  }
  const ended = async (client, reason) => assert.deepEqual(await client.closed, { code: 1008, reason });

  before(async () => {
    stack = await Stack.start({ settings: { admin_token: TOKEN, members_interval_ms: '20ms', grace_ms: '200ms',
      reconcile_ms: '60s',
      reconcile_down_ms: '200ms', poll_presence_ms: '500ms', drain_ms: '500ms' } });
  });
  after(async () => {
    for (const client of open) client.close();
    await stack.checkAndStop();
    await stack.remove();
  });

  it('a ban puts a user out on every relay at once, keeps them out over every way in, and lets others be', async () => {
    const seat = await seatIn();
    const other = await seatIn(seat.roomName);
    const [near, far, witness] = [await joined(seat, 1), await joined(seat, 2), await joined(other, 1)];
    const stream = keep(await Stream.open(roomUrl(stack, seat, 'stream', {}, { relay: 2 })));
    const poll = ask(stack, seat, 'poll', { wait: 55 }, { relay: 1 });
    const native = keep(await Native.hello(stack, { user: seat.nickId }, { relay: 2 }));
    await native.join(seat.roomId);
    await operate('user', 'ban', seat.nick, '--realm', 'chatroom', '--reason', 'spam');
    await Promise.all([ended(near, 'banned'), ended(far, 'banned'), ended(native, 'banned'), poll]);
    await eventually(() => stream.ended, 'the end of the stream');
    assert.equal((await keep(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`,
      { relay: 2 })).closed).reason, 'banned');
    for (const verb of ['poll', 'events', 'stream']) {
      const answer = await ask(stack, seat, verb);
      assert.deepEqual([answer.status, answer.json.code], [403, 'banned'], answer.text);
    }
    const said = await tell(stack, seat, { content: unique('tea') });
    assert.deepEqual([said.status, said.json.code], [403, 'banned']);
    const created = await stack.api('createChatroom',
      { chatroomName: unique('room'), nickName: seat.nick, headNum: 1 });
    assert.deepEqual([created.status, created.json], [403, { error: '创建失败', code: 'banned' }]);
    const read = await request(`${stack.url}/api/rooms/${seat.roomId}/messages?nickId=${seat.nickId}`);
    assert.deepEqual([read.status, read.json.code], [403, 'banned']);
    const again = keep(await Native.open(stack));
    again.command('hello', { user: seat.nickId });
    await ended(again, 'banned');
    await settle(witness);

    assert.match(await operate('user', 'show', seat.nick),
      /^user realm="chatroom" name=.*\nban realm="chatroom" user=.* reason="spam" since=/);
    assert.equal(await operate('user', 'unban', seat.nick), 'lifted=1\n');
    await eventually(async () => (await stack.relayMetric('sanctions')) === 0, 'that all relays know');
    await joined(seat, 2);
  });

  it('a ban from one room is no ban from another', async () => {
    const seat = await seatIn();
    const elsewhere = await seatIn(unique('room'), seat.nick);
    const [here, there] = [await joined(seat, 2), await joined(elsewhere, 1)];
    const native = keep(await Native.hello(stack, { user: seat.nickId }));
    await native.join(seat.roomId);
    await native.join(elsewhere.roomId);
    assert.equal((await admin('ban', { user: seat.nick, room: seat.roomName })).status, 200);
    await ended(here, 'banned');
    const put = await native.nextEvent((event) => event.ev === 'kicked', 'word of the ban');
    assert.equal(put.reason, 'banned');
    assert.equal(await native.refused('send', { room: seat.roomId, client_id: unique('id'), content: 'tea' }),
      'banned');
    await native.must('send', { room: elsewhere.roomId, client_id: unique('id'), content: unique('tea') });
    await settle(there);
    const resumed =
      keep(await Native.hello(stack, { user: seat.nickId }, { resume: [{ room: seat.roomId, epoch: 1, seq: 1 }] }));
    assert.equal(resumed.welcome.joined[0].error.code, 'banned');
    assert.equal((await keep(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`)).closed).reason,
      'banned');
  });

  it('a ban for a time ends by itself', async () => {
    const seat = await seatIn();
    const client = await joined(seat, 1);
    assert.equal((await admin('ban', { user: seat.nick, forSeconds: 1 })).status, 200);
    await ended(client, 'banned');
    await eventually(async () => (await stack.api('createChatroom',
      { chatroomName: seat.roomName, nickName: seat.nick, headNum: 1 })).status === 200,
      'the end of the ban');
    await joined(seat, 1);
  });

  it('a mute refuses what is posted in every way, and nothing else', async () => {
    const seat = await seatIn();
    const other = await seatIn(seat.roomName);
    const [client, witness] = [await joined(seat, 1), await joined(other, 2)];
    await operate('user', 'mute', seat.nick, '--for', '1h');
    for (const relay of [1, 2])
      await eventually(async () => (await tell(stack, seat, { content: unique('still') }, { relay })).status === 403,
        `that relay ${relay} knows`);
    client.say('may I?');
    assert.equal((await client.next('error')).data.code, 'muted');
    const answer = await tell(stack, seat, { content: 'may I?' });
    assert.deepEqual([answer.status, answer.json.code], [403, 'muted']);
    const native = keep(await Native.hello(stack, { user: seat.nickId }, { relay: 2 }));
    await native.join(seat.roomId);
    assert.equal(await native.refused('send', { room: seat.roomId, client_id: unique('id'), content: 'may I?' }),
      'muted');
    assert.equal(await native.refused('typing', { room: seat.roomId }), 'muted');
    await client.heard(witness.say(unique('tea')));
    assert.ok(!(await client.history()).some((line) => line.log_content === 'may I?'));
    assert.equal((await joined(seat, 2)).closeInfo, undefined, 'a muted user may come');
    assert.equal(await operate('user', 'unmute', seat.nick), 'lifted=1\n');
    await eventually(async () => (await tell(stack, seat, { content: unique('tea') })).status === 200,
      'that the relay knows');
  });

  it('a kick closes what is open, and leaves the way back open', async () => {
    const seat = await seatIn();
    const [near, far] = [await joined(seat, 1), await joined(seat, 2)];
    await operate('user', 'kick', seat.nick);
    await Promise.all([ended(near, 'kicked'), ended(far, 'kicked')]);
    await joined(seat, 1);
    assert.equal(await stack.count('SELECT COUNT(*) FROM sanction WHERE kind = 3'), 0);
  });

  it('the friend chat, the customer sessions and the spaces know of it in their own words', async () => {
    const [ann, bob] = [await newUser(stack), await newUser(stack)];
    const friendId = await befriend(stack, ann, bob);
    const friend = keep(await Friend.connect(stack, ann, { relay: 2 }));
    await operate('user', 'mute', ann.userId);
    await eventually(() => {
      friend.send(friendId, 'may I?', bob.userId);
      return friend.errors.includes('muted');
    }, 'the refusal');
    await operate('user', 'ban', ann.userId);
    await ended(friend, 'banned');
    const again = await tellFriends(stack, 'users', { name: ann.name });
    assert.deepEqual([again.status, again.json.code], [403, 'banned']);

    const [one, two] = [await register(stack), await register(stack)];
    const customer = keep(await Customer.connect(stack, one, two, { relay: 1 }));
    const name = (await stack.sql('SELECT name FROM user WHERE realm = 3 ORDER BY id DESC LIMIT 2'))[1].name.toString();
    await operate('user', 'mute', name, '--realm', 'customers');
    await eventually(() => {
      customer.say('may I?');
      return customer.failures.some((failure) => failure.msg === '你已被禁言!');
    }, 'the refusal');
    const posted = await post(`${stack.url}/chat/v1/message`, chatInfo(one, two, 'may I?'));
    assert.deepEqual([posted.status, posted.json.msg], [403, '你已被禁言!']);
    await operate('user', 'ban', name, '--realm', 'customers');
    await ended(customer, 'banned');
    const back = keep(Customer.dial(stack,
      `/chat/v1/message?friendphone=${two.account}&userphone=${one.account}&app_sid=${one.app_sid}`));
    await ended(back, 'banned');
    assert.deepEqual(back.events, [{ code: 0, msg: '你已被禁止使用!' }]);

    const may = await login(stack);
    const space = await newSpace(stack, may);
    const player = keep(Player.at(stack, space, may, { relay: 2 }));
    await player.opened;
    await operate('user', 'mute', may.nickName, '--realm', 'spaces', '--room', space.roomNum);
    await eventually(() => {
      player.sendJson({ spaceName: space.roomNum, hello: 1 });
      return player.events.some((event) => event.code === 'muted');
    }, 'the refusal');
    const moved = await write(stack, `spaces/${space.roomId}/transfers`, may,
      { toId: `user_${'0'.repeat(32)}`, score: 1, clientId: unique('t') });
    assert.equal(moved.status, 403, moved.text);
    await operate('user', 'ban', may.nickName, '--realm', 'spaces', '--room', space.roomNum);
    await ended(player, 'banned');
    assert.equal((await write(stack, `spaces/${space.roomId}/join`, may)).status, 403);
  });

  it('a user of the Socket.IO chat room is muted, kicked and banned by name, ' +
    'on polling and on a WebSocket', async () => {
    const name = unique('nick');
    const [polling, socket] = [await IoClient.connect(stack, { relay: 1, transports: ['polling'] }),
      await IoClient.connect(stack, { relay: 2 })];
    const socketName = unique('nick');
    assert.deepEqual(await polling.ask('message', name), [{ success: true }]);
    assert.deepEqual(await socket.ask('message', socketName), [{ success: true }]);
    await operate('user', 'mute', name, '--realm', 'socketio');
    await eventually(async () => (await polling.ask('message', 'may I?'))[0].error === 'muted', 'the refusal');
    polling.socket.io.reconnection(false);
    socket.socket.io.reconnection(false);
    await operate('user', 'ban', name, '--realm', 'socketio');
    await operate('user', 'kick', socketName, '--realm', 'socketio');
    for (const client of [polling, socket])
      assert.equal(await client.until(() => client.disconnects[0], 'the end'), 'io server disconnect');
    const back = await IoClient.connect(stack, { relay: 2 });
    assert.equal(back.connects[0].recovered, false);
    assert.deepEqual(await back.ask('message', name), [{ success: false, error: 'banned' }]);
    assert.deepEqual(await back.ask('message', socketName), [{ success: true }], 'a kick leaves the name');
    back.socket.disconnect();
  });

  it('a banned address cannot come in by any protocol, and is told 403', async () => {
    const seat = await seatIn();
    const client = await joined(seat, 0);
    const socket = await IoClient.connect(stack, {});
    socket.socket.io.reconnection(false);
    await operate('address', 'ban', '127.0.0.1', '--reason', 'flood');
    await ended(client, 'banned');
    await socket.until(() => socket.disconnects.length, 'the end');
    assert.match(await operate('address', 'list'), /^ban address="127\.0\.0\.1" reason="flood" since="/);
    const [handshake] =
      await Promise.allSettled([keep(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`)).opened]);
    assert.match(handshake.reason.message, /403/);
    const polled = await request(`${stack.url}/socket.io/?EIO=4&transport=polling`);
    assert.deepEqual([polled.status, polled.json], [403, { code: 4, message: 'Forbidden' }]);
    assert.equal((await ask(stack, seat, 'poll')).status, 403);
    assert.equal((await stack.api('createChatroom',
      { chatroomName: seat.roomName, nickName: seat.nick, headNum: 1 })).status, 403);
    assert.equal(await operate('address', 'unban', '127.0.0.1'), 'lifted=1\n');
    await eventually(async () => (await ask(stack, seat, 'poll')).status === 200, 'that it may again');
  });

  it('without Redis a ban works within seconds, and who was banned before a relay started stays out', async () => {
    const [seat, early] = [await seatIn(), await seatIn()];
    const client = await joined(seat, 2);
    await stack.stopPart('redis');
    const answer = await admin('ban', { user: seat.nick });
    assert.equal(answer.status, 200, answer.text);
    await ended(client, 'banned');
    assert.equal((await admin('kick', { user: early.nick })).status, 503, 'nobody could be told');
    await stack.startPart('redis');
    await stack.stopPart('relay1');
    await stack.startPart('relay1');
    assert.equal((await keep(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`,
      { relay: 1 })).closed).reason, 'banned');
  });

  it('the admin calls take what they should, from whom they should', async () => {
    const seat = await seatIn();
    for (const [headers, status] of [[{}, 401], [{ Authorization: 'Bearer wrong' }, 401]]) {
      assert.equal((await admin('ban', { user: seat.nick }, headers)).status, status);
      assert.equal((await request(`${stack.url}/api/admin/sanctions`, { headers })).status, status);
    }
    const wrong = [[{}, 400], [{ user: seat.nick, address: '192.0.2.1' }, 400], [{ user: 7 }, 400],
      [{ address: 'home' }, 400],
      [{ user: unique('nobody') }, 404], [{ user: seat.nick, room: unique('nowhere') }, 404],
      [{ user: seat.nick, realm: 'x' }, 400],
      [{ user: seat.nick, forSeconds: 0 }, 400], [{ user: seat.nick, reason: 'x'.repeat(501) }, 400], ['[]', 400],
      ["' OR 1=1--", 400]];
    for (const [body, status] of wrong) assert.equal((await admin('mute', body)).status, status, JSON.stringify(body));
    await newUser(stack, seat.nick); // the same name in another realm
    assert.equal((await admin('mute', { user: seat.nick })).status, 409);
    assert.equal((await admin('mute', { user: seat.nick, realm: 'friends', reason: '" \\ <b>' })).status, 200);
    assert.equal((await admin('mute', { user: seat.nickId, room: seat.roomId })).status, 200);
    const { json } = await request(`${stack.url}/api/admin/sanctions`,
      { headers: { Authorization: `Bearer ${TOKEN}` } });
    const rows = json.data.filter((row) => row.user === seat.nick)
      .map(({ kind, realm, room, reason }) => ({ kind, realm, room, reason }));
    assert.deepEqual(rows, [{ kind: 'mute', realm: 'friends', room: undefined, reason: '" \\ <b>' },
      { kind: 'mute', realm: 'chatroom', room: seat.roomName, reason: undefined }]);
    assert.deepEqual((await admin('unmute', { user: seat.nickId, room: seat.roomId })).json,
      { success: true, data: { lifted: 1 } });
    assert.deepEqual((await admin('unmute', { user: seat.nickId, room: seat.roomId })).json,
      { success: true, data: { lifted: 0 } });
  });

  it('users and rooms are found by names of any script, by the command and the calls', async () => {
    const seat = await seatIn(unique('春茶'), unique('老周'));
    await operate('user', 'mute', seat.nick, '--realm', 'chatroom', '--room', seat.roomName);
    assert.match(await operate('user', 'show', seat.nick), new RegExp(`\nmute .*user="${seat.nick}" room="${seat.roomName}"`));
    assert.deepEqual((await admin('unmute', { user: seat.nick, room: seat.roomName })).json,
      { success: true, data: { lifted: 1 } });
    assert.match(await refused('user', 'kick', unique('无名')), /no such user/);
    assert.equal((await admin('kick', { user: seat.nick, room: unique('秋茶') })).status, 404);
  });

  it('the command says what is wrong', async () => {
    assert.match(await refused('user', 'ban', unique('nobody')), /no such user/);
    assert.match(await refused('user', 'ban'), /takes one word/);
    assert.match(await refused('user', 'ban', 'x', '--for', 'ever'), /--for takes/);
    assert.match(await refused('address', 'ban', 'home'), /address is/);
    assert.match(await refused('relays', '--room', 'x'), /takes no such option/);
    assert.match(await refused('drain', 'relay9'), /no relay of that name/);
    assert.match(await operate('user', 'list', '--realm', 'friends'),
      /^(user realm="friends" name=".*" since=".*"\n)+$/);
  });

  it('a relay that is told to drain lets its clients go elsewhere and loses nothing that it acknowledged', async () => {
    // One that ended and handed on what it had is listed as draining until that is taken.
    const two = /^(relay=relay\d incarnation=\d+ state=up lease_ms=\d+\n){2}$/;
    await eventually(async () => two.test(await operate('relays')), 'the list of two relays');
    const seat = await seatIn();
    const client = await joined(seat, 1);
    const acknowledged = [];
    let sending = true;
    const posts = (async () => {
      for (let i = 0; sending; i++) {
        const content = `${unique('tea')}`;
        const answer = await tell(stack, seat, { content, clientId: `c${i}` }).catch(() => undefined);
        stack.keepSecret(content);
        if (answer?.status === 200) acknowledged.push(content);
      }
    })();
    await eventually(() => acknowledged.length > 5, 'messages');
    await operate('drain', 'relay1');
    assert.equal((await client.closed).code, 1012);
    await eventually(() => stack.exitStatus('relay1') === 0, 'its end');
    const soFar = acknowledged.length;
    await eventually(() => acknowledged.length > soFar + 5, 'messages on the other relay');
    sending = false;
    await posts;
    const stored = new Set((await stack.sql('SELECT content FROM message WHERE kind = 1')).map((row) => row.content));
    assert.deepEqual(acknowledged.filter((content) => !stored.has(content)), []);
    assert.match(await operate('relays'), /relay=relay2 incarnation=\d+ state=up/);
    await stack.startPart('relay1');
  });

  it('the last relay takes its lease away when it ends, so that nobody takes it for one that lives', async () => {
    await stack.stopPart('relay1');
    await stack.stopPart('relay2');
    assert.doesNotMatch(await operate('relays'), /relay=relay2/);
    await stack.startPart('relay1');
    await stack.startPart('relay2');
  });
});
