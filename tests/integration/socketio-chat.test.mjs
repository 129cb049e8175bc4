// The article's chat room over Socket.IO, on several relays: its words, its rooms, its names.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { DescribedFrontEnd } from './lib/described.mjs';
import { Chatter, IoClient, Polling, settleChat, unique } from './lib/io.mjs';
import { keepIn } from './lib/socket.mjs';
import { CONTENTS } from './lib/socket.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const joinLine = (name) => `${name}加入聊天室`;
const takenLine = (name) => `${name}已经被占用,请换一个用户名吧`;

IoClient.described = new DescribedFrontEnd('socketio');

describe('the chat room of the article', () => {
  let stack;
  const clients = [];
  const keep = keepIn(clients);
  const enter = async (relay, options = {}) => keep(await Chatter.enter(stack, unique('name'), { relay, ...options }));
  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { lease_ms: '1500ms', grace_ms: '200ms', io_recovery_ms: '60s' } });
  });
  beforeEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  after(() => stack?.remove());

  it('serves the article\'s page, which knows of no acknowledgements', async () => {
    const page = await IoClient.connect(stack, { relay: 1 });
    const other = await enter(2);
    const name = unique('page');
    page.socket.emit('getAllMessages');
    assert.ok(Array.isArray((await page.event('allMessages'))[0]));
    page.socket.emit('message', name);
    await other.line(joinLine(name));
    const content = stack.keepSecret(unique('hello'));
    page.socket.emit('message', content);
    for (const client of [page, other]) {
      const message = await client.until(() => client.all('message').map(([m]) => m).find((m) => m.content === content),
        'the message');
      assert.equal(message.username, name);
      assert.match(message.createAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      assert.ok(Math.abs(Date.parse(message.createAt) - Date.now()) < 600_000);
    }
    page.socket.emit('join', 'red');
    assert.equal((await page.event('joined'))[0], 'red');
    page.socket.emit('leave', 'red');
    assert.equal((await page.event('leaved'))[0], 'red');
    page.close();
  });

  it('tells everybody else who came in, on every relay, and not who came', async () => {
    const [a, b, c] = [await enter(1), await enter(2, { transports: ['polling'] }), await enter(3)];
    const late = await enter(0);
    for (const client of [a, b, c]) await client.line(joinLine(late.name));
    await settleChat(a, b, c, late);
    assert.ok(!late.lines.includes(joinLine(late.name)));
    for (const client of [a, b, c]) assert.equal(client.lines.filter((line) => line === joinLine(late.name)).length, 1);
  });

  it('a message goes to everybody, once, in the same order for all', async () => {
    const people = [await enter(1), await enter(2), await enter(3), await enter(0, { transports: ['polling'] })];
    const contents = people.flatMap((client) => Array.from({ length: 20 }, () => [client, unique('talk')]));
    const answers = await Promise.all(contents.map(([client, content]) => client.say(content)));
    assert.ok(answers.every((answer) => answer.success === true && Number.isInteger(answer.seq)));
    await settleChat(...people);
    const [first, ...rest] = people.map((client) => client.said.filter((content) => content.startsWith('talk')));
    assert.equal(first.length, contents.length);
    for (const said of rest) assert.deepEqual(said, first);
  });

  it('any text arrives to the letter, and is in the history so', async () => {
    const a = await enter(1);
    const b = await enter(2);
    const texts = CONTENTS.filter((content) => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(content))
      .map((content) => `${unique('text')}: ${content}`);
    for (const text of texts) {
      assert.equal((await a.say(text)).success, true, text);
      await b.heard(text);
    }
    const newcomer = await IoClient.connect(stack, { relay: 3 });
    newcomer.socket.emit('getAllMessages');
    const [list] = await newcomer.event('allMessages');
    assert.deepEqual(list.map((m) => m.content), texts.slice(-10));
    newcomer.close();
  });

  it('replaces what would make a line read as another, and refuses controls; nobody loses the connection', async () => {
    const a = await enter(1);
    const b = await enter(2);
    const mark = unique('bidi');
    assert.equal((await a.say(`${mark} \u202egnp.exe`)).success, true);
    await b.heard(`${mark} \ufffdgnp.exe`);
    assert.equal((await a.say(`${mark} half \ud83d`)).success, true);
    await b.heard(`${mark} half \ufffd`);
    for (const bad of [`${mark}\u0007`, `${mark}\u001b[31m`, '']) {
      const answer = await a.say(bad);
      assert.equal(answer.success, false, JSON.stringify(bad));
    }
    for (const bad of [[], [1], [null], [{}], [['a']], [Buffer.from('a')]]) {
      const [answer] = await a.ask('message', ...bad);
      assert.equal(answer.success, false, JSON.stringify(bad));
    }
    await settleChat(a, b);
    assert.deepEqual([...a.disconnects, ...b.disconnects], []);
  });

  it('gives a name to one alone, over all relays, and again when its owner has gone', async () => {
    const a = await enter(1);
    const thief = await IoClient.connect(stack, { relay: 2 });
    const [refused] = await thief.ask('message', a.name);
    assert.deepEqual(refused, { success: false, error: 'taken' });
    // that its owner came in may be on its way here, too
    await thief.until(() => thief.all('message').some(([line]) => line.username === '系统'
      && line.content === takenLine(a.name)), 'to be told so');
    for (const reserved of ['系统', 'system', 'System', 's\u0443stem', 'system\u200b', 'ｓystem']) assert.equal((await thief.ask('message', reserved))[0].success, false);
    const near = [a.name.toUpperCase(), `${a.name} b`, `${a.name}b`];
    for (const name of near) {
      const other = await IoClient.connect(stack, { relay: 3 });
      assert.equal((await other.ask('message', name))[0].success, true, 'other bytes, another name');
      other.close();
    }
    for (const unseen of [`${a.name} `, `${a.name}\u200b`, `${a.name}\u2800`, `${a.name}\u00ad`])
      assert.deepEqual((await thief.ask('message', unseen))[0], { success: false, error: 'bad_name' });
    a.close();
    await eventually(async () => (await thief.ask('message', a.name))[0].success, 'the name to be free');
    thief.close();
  });

  it('of many who want one name at the same time one gets it', async () => {
    const name = unique('wanted');
    const many = await Promise.all(Array.from({ length: 12 },
      (_, i) => IoClient.connect(stack, { relay: 1 + (i % 3), transports: ['websocket'] })));
    const answers = await Promise.all(many.map((client) => client.ask('message', name)));
    assert.equal(answers.filter(([answer]) => answer.success).length, 1);
    for (const client of many) client.close();
  });

  it('a private message reaches its addressee alone, wherever that is', async () => {
    const [a, b, c] = [await enter(1), await enter(2), await enter(3)];
    const content = unique('secret');
    assert.equal((await a.say(`@${b.name} ${content} with more words`)).success, true);
    const message = await b.heard(`${content} with more words`);
    assert.equal(message.username, a.name);
    await settleChat(a, b, c);
    for (const client of [a, c]) assert.ok(!client.said.some((said) => said.includes(content)));
    const reader = await IoClient.connect(stack, { relay: 1 });
    reader.socket.emit('getAllMessages');
    const [list] = await reader.event('allMessages');
    assert.ok(!JSON.stringify(list).includes(content), 'nor is it in the history');
    reader.close();
    const nobody = unique('nobody');
    assert.deepEqual(await a.say(`@${nobody} hello`), { success: false, error: 'not_here' });
    await a.line(`${nobody}不在聊天室`);
  });

  it('a message goes to the rooms of its sender, once to each member, whoever is in two', async () => {
    const [a, b, c, d] = [await enter(1), await enter(2), await enter(3), await enter(1)];
    const [red, green] = [unique('red'), unique('green')];
    for (const [client, rooms] of [[a, [red, green]], [b, [red, green]], [c, [green]]])
      for (const room of rooms) {
        assert.deepEqual(await client.ask('join', room), [{ success: true }]);
        assert.equal((await client.until(() => client.all('joined').find(([joined]) => joined === room), 'joined'))[0],
          room);
      }
    const both = unique('both');
    await a.say(both);
    for (const client of [a, b, c]) await client.heard(both);
    const onlyGreen = unique('only-green');
    await c.say(onlyGreen);
    for (const client of [a, b, c]) await client.heard(onlyGreen);
    const all = unique('all');
    await d.say(all);
    for (const client of [a, b, c, d]) await client.heard(all);
    await settleChat(d, a, b, c);
    for (const client of [a, b, c])
      for (const content of [both, onlyGreen, all])
        assert.equal(client.said.filter((said) => said === content).length, 1);
    assert.ok(!d.said.includes(both) && !d.said.includes(onlyGreen));
    await b.ask('leave', red);
    await b.event('leaved');
    await a.ask('leave', green);
    const onlyRed = unique('only-red');
    await a.say(onlyRed);
    await a.heard(onlyRed);
    await settleChat(d, a, b, c);
    for (const client of [b, c, d]) assert.ok(!client.said.includes(onlyRed));
  });

  it('the latest ten that everybody could read are the history, oldest first, ' +
    'after a restart of everything too', async () => {
    const a = await enter(1);
    const contents = [];
    for (let i = 0; i < 12; i++) {
      contents.push(unique(`line${i}`));
      await a.say(contents.at(-1));
    }
    await a.say(`@${a.name} ${unique('note')}`);
    const look = async (relay) => {
      const reader = await IoClient.connect(stack, { relay });
      reader.socket.emit('getAllMessages');
      const [list] = await reader.event('allMessages');
      reader.close();
      return list;
    };
    for (const relay of [1, 2, 3]) {
      const list = await look(relay);
      assert.deepEqual(list.map((m) => m.content), contents.slice(-10));
      assert.deepEqual(Object.keys(list[0]), ['username', 'content', 'createAt']);
    }
    a.close();
    await stack.must('down');
    await stack.up();
    for (const relay of [1, 2, 3]) assert.deepEqual((await look(relay)).map((m) => m.content), contents.slice(-10));
    const [b, c] = [await enter(1), await enter(3)];
    await settleChat(b, c);
  });

  it('the rows are in the same store as all other messages, and numbered like them', async () => {
    const a = await enter(1);
    const content = unique('stored');
    const { seq } = await a.say(content);
    const rows = await stack.sql('SELECT seq, sender_name FROM message WHERE content = ?', [content]);
    assert.equal(rows.length, 1);
    assert.equal(Number(rows[0].seq), seq);
    assert.equal(rows[0].sender_name.toString(), a.name);
  });

  it('rooms are bounded, and so are names', async () => {
    const a = await enter(1);
    let joined = 0;
    while ((await a.ask('join', unique('room')))[0].success) {
      joined++;
      assert.ok(joined < 100);
    }
    assert.equal(joined, 64);
    for (const bad of ['', 'x'.repeat(129), 'a\u202eb', '\u0007'])
      assert.equal((await a.ask('join', bad))[0].success, false);
    const nameless = await IoClient.connect(stack, { relay: 2 });
    for (const bad of ['', ' ', 'x'.repeat(1000), 'a\u202eb'])
      assert.equal((await nameless.ask('message', bad))[0].success, false);
    nameless.close();
  });

  it('what is emitted before the name is decided waits for it', async () => {
    const session = await Polling.joined(stack);
    const other = await enter(2);
    const name = unique('quick');
    const content = stack.keepSecret(unique('at-once'));
    await session.post([name, content].map((text) => `42["message","${text}"]`).join('\x1e'));
    const message = await other.heard(content);
    assert.equal(message.username, name);
    await session.post('1');
  });

  it('while Redis is down messages still come, and the names are unique again afterwards', async () => {
    const [a, b] = [await enter(1), await enter(1)];
    const other = await enter(2);
    await stack.kill('redis', 'KILL');
    const content = unique('without-redis');
    assert.equal((await a.say(content)).success, true);
    await b.heard(content);
    await other.heard(content); // by the reconciliation
    await stack.startPart('redis');
    const thief = await IoClient.connect(stack, { relay: 3 });
    await eventually(async () => (await stack.relayMetric('redis_up')) === 3, 'the relays to have Redis again');
    await eventually(async () => (await stack.redis('HKEYS', 'chaguan:io:names:/')).includes(a.name),
      'the names to be said again');
    assert.equal((await thief.ask('message', a.name))[0].success, false);
    thief.close();
  });

  it('is as docs/clients/socketio.asyncapi.json describes it: all that a client hears was seen', () => {
    assert.deepEqual(IoClient.described.unseen('chat'), ['say', 'join', 'leave', 'get_all']); // what it says itself
  });

  it('everything is in order afterwards', () => {
    for (const client of clients.splice(0)) client.close();
    return stack.checkAndStop();
  });
});
