// Connection state recovery as the official client speaks it: all that was missed, or nothing and a word about it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Chatter, IoClient, ioUrl, settleChat, unique } from './lib/io.mjs';
import { keepIn } from './lib/socket.mjs';
import { NO_RATES, Stack, eventually } from './lib/stack.mjs';

describe('a client that was cut off', () => {
  let stack;
  const clients = [];
  const keep = keepIn(clients);
  const enter = async (relay, options = {}) => keep(await Chatter.enter(stack, unique('name'), { relay, ...options }));
  /** Someone to hear, someone who is cut; both have heard something, so the client knows where it is. */
  const pair = async (relay, options) => {
    const speaker = await enter(3);
    const client = await enter(relay, options);
    await settleChat(speaker, client);
    return [speaker, client];
  };
  const speak = async (speaker, count) => {
    const contents = Array.from({ length: count }, (_, i) => unique(`missed${i}`));
    await Promise.all(contents.map((content) => speaker.say(content)));
    return contents;
  };
  const missed = (client) => client.said.filter((content) => content.startsWith('missed'));
  const order = (contents, speaker) => [...contents].sort((a, b) => speaker.said.indexOf(a) - speaker.said.indexOf(b));

  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { ...NO_RATES, lease_ms: '1500ms', grace_ms: '200ms', io_recovery_ms: '60s' } });
  });
  beforeEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await stack.up();
  });
  after(() => stack?.remove());

  for (const transports of [['websocket'], ['polling']]) {
    for (const [where, relay] of [['the same relay', 1], ['another relay', 2]]) {
      it(`by ${transports}, comes back to ${where}: recovered, with its id, its name, ` +
        `its rooms and all it missed, once`, async () => {
        const [speaker, client] = await pair(1, { transports });
        const [room, other] = [unique('room'), unique('other')];
        await client.ask('join', room);
        const before = { id: client.id, said: [...client.said] };
        await client.cut();
        const contents = await speak(speaker, 20);
        await speaker.ask('join', room);
        const inRoom = await speak(speaker, 3);
        await speaker.ask('leave', room);
        await speaker.ask('join', other);
        const elsewhere = await speak(speaker, 3);
        await speaker.ask('leave', other);
        const connect = await client.comeBack(relay);
        assert.deepEqual([connect.recovered, connect.id], [true, before.id]);
        await settleChat(speaker, client);
        assert.deepEqual(missed(client), order([...contents, ...inRoom], speaker));
        assert.ok(!elsewhere.some((content) => client.said.includes(content)));
        assert.deepEqual(client.said.slice(0, before.said.length), before.said, 'nothing comes twice');
        const own = unique('own');
        await client.say(own); // a name, or this would be the wish for one; and to its room
        await speaker.ask('join', room);
        const toRoom = unique('missed-not');
        await speaker.say(toRoom);
        await client.heard(toRoom);
        assert.equal((await client.heard(own)).username, client.name);
      });
    }
  }

  it('is not to be reached by name while it is away, and does not get what was for others alone', async () => {
    const [speaker, client] = await pair(1);
    const third = await enter(2);
    await client.upgraded();
    await client.cut();
    const [mine, theirs] = [unique('missed-mine'), unique('missed-theirs')];
    await eventually(async () => !(await stack.redis('HKEYS', 'chaguan:io:names:/')).includes(client.name),
      'its name to be free');
    assert.equal((await speaker.say(`@${client.name} ${mine}`)).success, false);
    assert.equal((await speaker.say(`@${third.name} ${theirs}`)).success, true);
    const contents = await speak(speaker, 2);
    assert.equal((await client.comeBack(2)).recovered, true);
    await settleChat(speaker, client, third);
    assert.deepEqual(missed(client), order(contents, speaker));
    assert.ok(third.said.includes(theirs));
  });

  it('comes back by itself through nginx, after its relay was killed', async () => {
    const speaker = await enter(3);
    const client = await enter(1, { transports: ['websocket'] });
    await settleChat(speaker, client);
    const id = client.id;
    client.socket.io.uri = ioUrl(stack);
    const talking = speak(speaker, 30);
    await stack.kill('relay1', 'KILL');
    await client.until(() => client.connects.length > 1, 'its return');
    const contents = await talking;
    assert.deepEqual([client.connects[1].recovered, client.id], [true, id]);
    await settleChat(speaker, client);
    assert.deepEqual(missed(client), order(contents, speaker));
  });

  for (const [where, relay] of [['the same, started again', 1], ['another', 2]]) {
    it(`its relay was killed: recovered on ${where}`, async () => {
      const [speaker, client] = await pair(1, { transports: ['websocket'] });
      const id = client.id;
      client.socket.io.reconnection(false);
      await stack.kill('relay1', 'KILL');
      await client.until(() => client.disconnects.length, 'the cut');
      const contents = await speak(speaker, 10);
      await stack.startPart('relay1');
      contents.push(...(await speak(speaker, 10)));
      const connect = await client.comeBack(relay);
      assert.deepEqual([connect.recovered, connect.id], [true, id]);
      await settleChat(speaker, client);
      assert.deepEqual(missed(client), order(contents, speaker));
      assert.equal((await speaker.say(`@${client.name} ${unique('missed-private')}`)).success, true);
    });
  }

  it('after a restart of all relays what was missed comes from the database', async () => {
    const [speaker, client] = await pair(1);
    const id = client.id;
    await client.cut();
    const contents = await speak(speaker, 15);
    const sorted = order(contents, speaker);
    speaker.close();
    for (const n of [1, 2, 3]) await stack.stopPart(`relay${n}`);
    await stack.up();
    const connect = await client.comeBack(2);
    assert.deepEqual([connect.recovered, connect.id], [true, id]);
    const other = await enter(1);
    await settleChat(other, client);
    assert.deepEqual(missed(client), sorted);
  });

  it('more than a relay keeps comes from the database', async () => {
    const [speaker, client] = await pair(1);
    await client.cut();
    const contents = [];
    for (let i = 0; i < 14; i++) contents.push(...(await speak(speaker, 50)));
    assert.equal((await client.comeBack(2)).recovered, true);
    await settleChat(speaker, client);
    assert.deepEqual(missed(client), order(contents, speaker));
  });

  it('has missed too much: a new socket, told so, and nothing is given again', async () => {
    const [speaker, client] = await pair(1);
    const id = client.id;
    await client.cut();
    for (let i = 0; i < 21; i++) await speak(speaker, 50);
    const connect = await client.comeBack(2);
    assert.equal(connect.recovered, false);
    assert.notEqual(connect.id, id);
    await client.ask('message', unique('again'));
    await settleChat(speaker, client);
    assert.deepEqual(missed(client), []);
  });

  for (const [what, change] of [
    ['with a pid that nobody knows', (socket) => { socket._pid = 'A'.repeat(24); }],
    ['with a pid of another shape', (socket) => { socket._pid = '__proto__'; }],
    ['with no offset', (socket) => { socket._lastOffset = undefined; }],
    ['with an offset of another epoch',
      (socket) => { socket._lastOffset = socket._lastOffset.replace(/^\d+/, (epoch) => BigInt(epoch) + 1n); }],
    ['with an offset that is none', (socket) => { socket._lastOffset = 'x'; }],
  ]) {
    it(`comes ${what}: a new socket, and nothing is given again`, async () => {
      const [speaker, client] = await pair(1);
      const id = client.id;
      await client.cut();
      await speak(speaker, 3);
      change(client.socket);
      const connect = await client.comeBack(2);
      assert.equal(connect.recovered, false);
      assert.notEqual(connect.id, id);
      assert.equal((await client.ask('message', unique('again')))[0].success, true, 'it has no name yet');
      await settleChat(speaker, client);
      assert.deepEqual(missed(client), []);
    });
  }

  it('who said goodbye is not recovered', async () => {
    const [speaker, client] = await pair(1);
    const { _pid: pid, _lastOffset: offset } = client.socket;
    client.socket.io.reconnection(false);
    client.socket.disconnect();
    await speak(speaker, 3);
    Object.assign(client.socket, { _pid: pid, _lastOffset: offset });
    await eventually(async () => !(await stack.redis('KEYS', `chaguan:io:pid:*${pid}`)).length,
      'the end of what was kept');
    assert.equal((await client.comeBack(2)).recovered, false);
    await client.ask('message', unique('again'));
    await settleChat(speaker, client);
    assert.deepEqual(missed(client), []);
  });

  it('whose name was taken meanwhile is not recovered, and told so', async () => {
    const [speaker, client] = await pair(1);
    await client.cut();
    const thief = await IoClient.connect(stack, { relay: 2 });
    await eventually(async () => (await thief.ask('message', client.name))[0].success, 'the name');
    assert.equal((await client.comeBack(1)).recovered, false);
    assert.deepEqual(await client.ask('message', client.name), [{ success: false, error: 'taken' }]);
    await speaker.say(`@${client.name} ${unique('to the thief')}`);
    await thief.event('message');
    thief.close();
  });

  it('a second client with the same pid takes the socket over; the first does not keep it too', async () => {
    const [speaker, client] = await pair(1, { transports: ['websocket'], reconnection: false });
    const double = new Chatter(stack, { relay: 2, transports: ['websocket'], autoConnect: false });
    Object.assign(double.socket, { _pid: client.socket._pid, _lastOffset: client.socket._lastOffset });
    double.socket.connect();
    await double.until(() => double.connects.length, 'the double');
    assert.deepEqual([double.connects[0].recovered, double.id], [true, client.id]);
    await client.until(() => client.disconnects.length, 'the end of the first');
    await settleChat(speaker, double);
    double.close();
  });

  it('too late: after io_recovery_ms nothing is left to come back for', async () => {
    const short = await Stack.start({ relays: 2, settings: { io_recovery_ms: '500ms' } });
    try {
      const speaker = await Chatter.enter(short, unique('name'), { relay: 1 });
      const client = await Chatter.enter(short, unique('name'), { relay: 1 });
      await settleChat(speaker, client);
      const pid = client.socket._pid;
      assert.equal((await short.redis('KEYS', `chaguan:io:pid:*${pid}`)).length, 1);
      await client.cut();
      await eventually(async () => !(await short.redis('KEYS', `chaguan:io:pid:*${pid}`)).length,
        'the end of what was kept');
      await speak(speaker, 2);
      assert.equal((await client.comeBack(2)).recovered, false);
      for (const each of [speaker, client]) each.close();
      await short.checkAndStop();
    } finally {
      await short.remove();
    }
  });

  it('everything is in order afterwards', () => {
    for (const client of clients.splice(0)) client.close();
    return stack.checkAndStop();
  });
});
