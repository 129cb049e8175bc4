// The Socket.IO chat room's logic: its lines, and a talk over a socket that is cut and comes back.
import assert from 'node:assert/strict';
import test from 'node:test';
import { address, canWhisperTo, isRefusal, mergeHistory, toLine, whoCame } from '../../web/js/io/lines.js';
import { MAX_LINES, Talk } from '../../web/js/io/talk.js';
import { words } from '../../web/js/i18n.js';
import '../../web/js/io/words.js';

const AT = Date.UTC(2024, 4, 1, 10);
const row = (username, content, at = AT,
  more = {}) => ({ username, content, createAt: new Date(at).toISOString(), ...more });

test('a row becomes a line, whatever a stranger puts in its fields', () => {
  assert.deepEqual(toLine(row('Ann', 'hi', AT, { seq: 3 })),
    { name: 'Ann', text: 'hi', at: AT, system: false, whisper: '', to: '' });
  assert.equal(toLine(row('系统', 'x')).system, true);
  assert.equal(toLine({ content: 'x', username: {}, createAt: 'soon' }, 7).at, 7);
  assert.equal(toLine({ content: 'x', username: {} }, 7).name, '');
  for (const odd of [null, undefined, 'x', 1, [], {}, { content: 1 }]) assert.equal(toLine(odd), null);
});

test('a history goes where it was asked for, and nothing stands there twice', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text, i) => toLine(row('Ann', text, AT + i)));
  const note = { note: 'ioFreshNote' };
  assert.deepEqual(mergeHistory([], [a, b], 0), [a, b]);
  assert.deepEqual(mergeHistory([c], [a, b, c], 0), [a, b, c]);
  assert.deepEqual(mergeHistory([a, note, c], [a, b, c], 2), [a, note, b, c]);
});

test('whom a text is for is read the way the server reads it', () => {
  assert.deepEqual(address('@Bob hello you'), { to: 'Bob', text: 'hello you' });
  assert.deepEqual(address('@Bob line\nline'), { to: 'Bob', text: 'line\nline' });
  for (const plain of ['Bob hi', '@Bob', '@Bob ', '@ hi', 'mail a@b c', ''])
    assert.deepEqual(address(plain), { to: '', text: plain });
  assert.deepEqual(['Bob', 'a b', ''].map(canWhisperTo), [true, false, false]);
});

test('system lines are told from refusals, which the acknowledgement tells, too', () => {
  assert.equal(whoCame('Ann加入聊天室'), 'Ann');
  assert.equal(whoCame('something else'), '');
  assert.equal(isRefusal('Ann已经被占用,请换一个用户名吧'), true);
  assert.equal(isRefusal('Bob不在聊天室'), true);
  assert.equal(isRefusal('消息太长加入聊天室'), false);
  assert.equal(isRefusal('今晚八点服务器重启'), false);
});

/** A socket whose server is the test. */
class FakeSocket {
  connected = false;
  recovered = false;
  active = true;
  sent = [];
  handlers = {};
  io = { engine: { transport: { name: 'polling' }, on: (name, f) => { this.upgrade = f; } } };
  on(name, f) { this.handlers[name] = f; }
  timeout() { return this; }
  emit(name, ...args) {
    const ack = typeof args.at(-1) === 'function' ? args.pop() : null;
    this.sent.push({ name, args, ack });
  }
  connect() { this.connects = (this.connects ?? 0) + 1; return this; }
  disconnect() { this.connected = false; return this; }
  hear(name, ...args) { this.handlers[name](...args); }
  open(recovered = false) {
    this.connected = true;
    this.recovered = recovered;
    this.sent = [];
    this.hear('connect');
  }
  cut(reason = 'transport close') {
    this.connected = false;
    const waiting = this.sent.filter((s) => s.ack);
    this.sent = [];
    this.hear('disconnect', reason);
    for (const { ack } of waiting) ack(new Error('socket has been disconnected'));
  }
  /** Answers the latest of that name. */
  answer(name, value) {
    this.sent.findLast((s) => s.name === name).ack(null, value);
  }
  said(name) { return this.sent.filter((s) => s.name === name).map((s) => s.args[0]); }
}

function talking(kept = { name: '', rooms: [] }) {
  const socket = new FakeSocket();
  const heard = { refused: [], returned: [], arrived: [] };
  const timers = [];
  const talk = new Talk(socket, kept, {
    onState() {},
    onLines() {},
    onNameRefused: (...args) => heard.refused.push(args),
    onReturned: (...args) => heard.returned.push(args),
    onArrived: (text) => heard.arrived.push(text),
  }, { setTimeout: (f) => timers.push(f), clearTimeout() {}, now: () => AT });
  return { socket, talk, heard, timers };
}

function named(name = 'Ann') {
  const all = talking();
  all.socket.open();
  all.socket.hear('allMessages', []);
  all.talk.takeName(name);
  all.socket.answer('message', { success: true });
  return all;
}

const texts = (talk) => talk.lines.map((line) => line.note ?? line.text);

test('the history is asked for, and shown before what came meanwhile', () => {
  const { socket, talk } = talking();
  socket.open();
  assert.deepEqual(socket.sent.map((s) => s.name), ['getAllMessages']);
  socket.hear('message', row('Bob', 'live', AT + 9, { seq: 9 }), 'an offset');
  socket.hear('allMessages', [row('Bob', 'old'), row('Bob', 'live', AT + 9)]);
  assert.deepEqual(texts(talk), ['old', 'live']);
});

test('the first message is the name; a name that is taken is asked for again', () => {
  const { socket, talk, heard } = talking();
  assert.equal(talk.takeName('Ann'), false);
  socket.open();
  assert.equal(talk.say('too early'), false);
  assert.equal(talk.takeName('Ann'), true);
  assert.equal(talk.takeName('Other'), false);
  socket.hear('message', row('系统', 'Ann已经被占用,请换一个用户名吧'));
  socket.answer('message', { success: false, error: 'taken' });
  assert.deepEqual(heard.refused, [['ioNameTaken', 'Ann']]);
  assert.deepEqual(texts(talk), []);
  talk.takeName('Anna');
  socket.answer('message', { success: true });
  assert.equal(talk.name, 'Anna');
});

test('what one says waits until it comes back or is acknowledged', () => {
  const { socket, talk, heard } = named();
  talk.say('one');
  talk.say('two');
  socket.hear('message', row('Ann', 'one', AT, { seq: 1 }));
  assert.deepEqual(talk.pending.map((p) => p.text), ['two']);
  socket.answer('message', { success: true, seq: 2 });
  assert.deepEqual(talk.pending, []);
  assert.deepEqual(heard.arrived, ['one']);
  assert.deepEqual(heard.returned, []);
});

test('a whisper is seen by its writer once it is sent, and told apart when it comes', () => {
  const { socket, talk, heard } = named();
  talk.say('psst', 'Bob');
  assert.deepEqual(socket.said('message').at(-1), '@Bob psst');
  assert.deepEqual(texts(talk), []);
  socket.answer('message', { success: true, seq: 4 });
  assert.deepEqual(talk.lines.map(({ text, whisper, to }) => [text, whisper, to]), [['psst', 'out', 'Bob']]);
  socket.hear('message', row('Bob', 'yes?', AT, { private: true }));
  assert.equal(talk.lines.at(-1).whisper, 'in');
  socket.hear('message', row('Bob', 'aloud', AT, { seq: 5 }));
  assert.equal(talk.lines.at(-1).whisper, '');
  talk.say('psst', 'Nobody');
  socket.answer('message', { success: false, error: 'not_here' });
  assert.deepEqual(heard.returned, [['psst', 'Nobody', 'ioNobody']]);
});

test('after a recovered cut nothing is asked for again', () => {
  const { socket, talk } = named();
  talk.toggleRoom('Red');
  socket.hear('joined', 'Red');
  socket.cut();
  assert.equal(talk.state, 'again');
  assert.equal(talk.say('while away'), false);
  socket.open(true);
  assert.deepEqual(socket.sent, []);
  assert.equal(talk.name, 'Ann');
  assert.deepEqual([...talk.rooms], ['Red']);
  assert.equal(talk.recovered, true);
  assert.deepEqual(texts(talk), ['ioRecoveredNote']);
});

test('after a cut that is not recovered name, rooms and history are asked for again', () => {
  const { socket, talk, timers } = named();
  talk.toggleRoom('Green');
  socket.hear('joined', 'Green');
  socket.hear('message', row('Bob', 'before', AT, { seq: 1 }));
  socket.cut();
  socket.open(false);
  assert.deepEqual(socket.said('join'), ['Green']);
  assert.deepEqual(socket.said('message'), ['Ann']);
  assert.deepEqual([...talk.rooms], []);
  socket.hear('message', row('Bob', 'live', AT + 5, { seq: 3 }));
  socket.hear('allMessages', [row('Bob', 'before'), row('Bob', 'missed', AT + 1), row('Bob', 'live', AT + 5)]);
  assert.deepEqual(texts(talk), ['before', 'ioFreshNote', 'missed', 'live']);
  socket.answer('message', { success: false, error: 'taken' }); // by our own connection of before
  assert.equal(timers.length, 1);
  timers[0]();
  socket.answer('message', { success: true });
  assert.equal(talk.name, 'Ann');
});

test('a text whose fate is not known goes back, and is taken away again when it turns out to have arrived', () => {
  const { socket, talk, heard } = named();
  talk.say('perhaps');
  socket.cut();
  assert.deepEqual(heard.returned, [['perhaps', '', 'ioUnsure']]);
  socket.open(true);
  socket.hear('message', row('Ann', 'perhaps', AT, { seq: 1 }));
  assert.deepEqual(heard.arrived, ['perhaps']);
});

test('a cut while a name is being asked for begins anew, so that the name is not said as a message', () => {
  const { socket, talk } = talking();
  socket.open();
  talk.takeName('Ann');
  socket.cut();
  socket.open(true);
  assert.deepEqual(socket.sent, []);
  assert.equal(socket.connects, 1);
  socket.open(false);
  assert.deepEqual(socket.said('message'), ['Ann']);
});

test('a reload keeps the name and the rooms, and no others', () => {
  const { socket, talk } = talking({ name: 'Ann', rooms: ['Red', 'Blue', 7] });
  socket.open();
  assert.deepEqual(socket.said('join'), ['Red']);
  assert.deepEqual(socket.said('message'), ['Ann']);
  assert.deepEqual(talk.kept, { name: 'Ann', rooms: ['Red'] });
});

test('a server that ends the connection is asked again, one that refuses is not', () => {
  const { socket, talk } = named();
  socket.cut('io server disconnect');
  assert.equal(socket.connects, 1);
  socket.active = false;
  socket.hear('connect_error', new Error('no'));
  assert.equal(talk.state, 'denied');
});

test('only the latest lines are kept', () => {
  const { socket, talk } = named();
  for (let i = 0; i < MAX_LINES + 7; i++) socket.hear('message', row('Bob', String(i), AT + i, { seq: i + 1 }));
  assert.equal(talk.lines.length, MAX_LINES);
  assert.equal(talk.lines[0].text, '7');
});

test('whatever a server sends, nothing throws', () => {
  const { socket, talk } = named();
  for (const odd of [undefined, null, 1, 'x', [], {}, [null, 1, {}]]) {
    for (const name of ['message', 'allMessages', 'joined', 'leaved']) socket.hear(name, odd);
    talk.say('x');
    socket.answer('message', odd);
  }
  assert.deepEqual(talk.lines, []);
});

test('every word that a talk names is one of the page\'s', () => {
  const { socket, talk, heard } = named();
  for (const error of ['busy', 'unavailable', 'unknown', 'too_long', 'bad_content', 'too_many_rooms', undefined]) {
    talk.say('x');
    socket.answer('message', { success: false, error });
  }
  for (const [, , key] of heard.returned) assert.ok(key in words.zh, key);
  assert.equal(heard.returned.length, 7);
});
