// The checker itself: a right history has nothing wrong, and one that is wrong in any one way has exactly that.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RECALLED, check, figures } from './checker.mjs';
import { Poller } from './clients/rooms.mjs';

const row = (seq, text = `t${seq}`, more = {}) => ({ ev: 'row', room: 'tea', seq, text, sender: 'ann', ...more });
const deliver = (seq, how = 'live', more = {}) =>
  ({ ev: 'deliver', reader: 'bob', room: 'tea', seq, text: `t${seq}`, how, ...more });
const open = (after, more = {}) => ({ ev: 'open', reader: 'bob', room: 'tea', after, ...more });
const end = { ev: 'end', reader: 'bob', room: 'tea' };
const reset = { ev: 'reset', reader: 'bob', room: 'tea' };
const send = (text, clientId) => ({ ev: 'send', by: 'ann', room: 'tea', text, clientId });
const answer = (text, what, seq) => ({ ev: 'answer', by: 'ann', text, what, seq });
const fact = { ev: 'fact', kind: 'room', key: 'a', value: 'id' };
const claim = (what, more = {}) => ({ ev: 'claim', kind: 'room', key: 'a', what, ...more });
const mark = (seq, what, now) => ({ ev: 'mark', key: 'm', seq, what, now });
const frame = (text) => ({ ev: 'frame', by: 'ann', room: 'tea', text });
const heard = (text, reader = 'bob 1') => ({ ev: 'heard', reader, room: 'tea', text });
const saw = (seq, text = `t${seq}`) => ({ ev: 'saw', room: 'tea', seq, text, where: 'sql' });
const rows = (count) => Array.from({ length: count }, (_, i) => row(i + 1));

/** Exactly these rules are broken. */
const finds = (history, ...rules) =>
  assert.deepEqual([...new Set(check(history).map((violation) => violation.split(':')[0]))].sort(), rules.sort());

describe('a right history', () => {
  it('of a reader that is cut off and resumes', () => finds([...rows(5), { ev: 'counter', room: 'tea', seq: 5 },
    open(0), deliver(1), deliver(2), open(2), deliver(3), deliver(4), deliver(5), end]));

  it('of a reader without a cursor that fills the gap from the history, in which it meets what it had',
    () => finds([...rows(6),
    open(), deliver(2), deliver(3), open(), deliver(2, 'history'), deliver(3, 'history'), deliver(4, 'history'),
    deliver(5, 'history'), deliver(5), deliver(6), end]));

  it('of a reader that is shown again what another relay had shown it, without a cursor',
    () => finds([...rows(3), open(), deliver(1), deliver(2), open(), deliver(2), deliver(3), end]));

  it('of a connection that ended before its history came', () => finds([...rows(5),
    open(), deliver(1), deliver(2), open(), deliver(4, 'early'), open(), deliver(3, 'history'), deliver(4, 'history'),
    deliver(5), end]));

  it('of a reader whose place was void',
    () => finds([...rows(9), open(0), deliver(1), open(1), reset, deliver(8), deliver(9), end]));

  it('of a poller whose place was void, and which hears nothing after that', async () => {
    const history = rows(3);
    const answers = [{ epoch: 1, next: 1, events: [{ seq: 1, data: { log_content: 't1' } }] },
      { epoch: 2, next: 3, events: [], reset: true }];
    const poller = new Poller({ record: (line) => history.push(line), port: () => 0,
      call: async () => ({ status: 200, json: answers.shift() }) }, { roomId: 'tea' }, 'bob', 1);
    while (answers.length) await poller.poll();
    finds([...history, end]);
  });

  it('of a reader that is not shown what is for others, and its own',
    () => finds([row(1), row(2, 't2', { sender: 'bob' }), row(3, 't3', { some: true }), row(4),
    open(0, { skips: 'bob' }), deliver(1), deliver(4), end]));

  it('of one who is shown what only some are',
    () => finds([row(1), row(2, 't2', { some: true }), row(3), open(0), deliver(1), deliver(2), deliver(3), end]));

  it('of retries, refusals and timeouts that end in one outcome',
    () => finds([row(1, 'a', { clientId: '1' }), row(2, 'c'),
    send('a', '1'), answer('a', 'unknown'), answer('a', 'refused'), answer('a', 'ack', 1), answer('a', 'ack', 1),
    send('b', '2'), answer('b', 'refused'), send('c'), answer('c', 'unknown'), send('d'), answer('d', 'unknown')]));

  it('of messages that their author changed or took back, shown as they were and as they are',
    () => finds([row(1, 't1', { now: 'x changed' }), row(2, 't2', { now: 'y' }),
      row(3, 'e1', { some: true }),
      send('e1', '3'), answer('e1', 'ack', 3), deliver(1), deliver(2),
      deliver(1, 'history', { text: 'x changed' }), deliver(2, 'history', { text: RECALLED }), saw(1, 'x changed')]));

  it('of one that was never told, and then refused for good',
    () => finds([send('e', '1'), answer('e', 'unknown'), { ...answer('e', 'refused'), final: true }]));

  it('of a reader that left before the end', () => finds([...rows(5), open(0), deliver(1)]));

  it('of presence', () => finds([{ ev: 'inside', room: 'tea', names: ['ann', 'bob'] },
    { ev: 'present', room: 'tea', names: ['bob', 'ann'], where: 'x' }]));

  it('of one who is shown only one kind', () => finds([row(1, 't1', { is: 'transfer' }), row(2), row(3, 't3', { is: 'transfer' }),
    open(undefined, { only: 'transfer' }), deliver(1), deliver(3)]));

  it('of calls that were granted, refused, and left open', () => finds([claim('ack', { value: 'id' }), fact,
    claim('refused', { key: 'b' }), claim('unknown', { key: 'c' }), claim('unknown', { key: 'd' }), { ...fact, key: 'd' },
    claim('refused', { key: 'e' }), claim('ack', { key: 'e' }), { ...fact, key: 'e' }]));

  it('of a marker, refused and moved', () => finds([mark(1, 'ack', 1), mark(2, 'refused'), mark(3, 'unknown'),
    { ev: 'marked', key: 'm', seq: 3 }]));

  it('of frames that some heard', () => finds([frame('f'), frame('g'), heard('f'), heard('f', 'eve 1'), heard('f', 'eve 2')]));

  it('is counted', () => {
    const { messages, acknowledged, refused, timeouts, reconnects, resumed,
      stored } = figures([row(1), send('t1'), answer('t1', 'unknown'), answer('t1', 'refused'), answer('t1', 'ack'),
        open(), open(1)]);
    assert.deepEqual({ messages, acknowledged, refused, timeouts, reconnects, resumed, stored },
      { messages: 1, acknowledged: 1, refused: 1, timeouts: 1, reconnects: 1, resumed: 1, stored: 1 });
  });
});

describe('a history is wrong when', () => {
  it('an acknowledged message is not stored',
    () => finds([send('a'), answer('a', 'ack', 1)], 'acknowledged, not stored'));
  it('a message is stored twice', () => finds([row(1, 'a'), row(2, 'a'), send('a'), answer('a', 'unknown')],
    'stored twice'));
  it('a message is stored in two rooms',
    () => finds([row(1, 'a'), { ...row(1, 'a'), room: 'milk' }, send('a'), answer('a', 'ack')], 'stored twice'));
  it('a message is stored in another room',
    () => finds([{ ...row(1, 'a'), room: 'milk' }, send('a'), answer('a', 'ack')], 'stored elsewhere'));
  it('a refused message is stored', () => finds([row(1, 'a'), send('a'), answer('a', 'refused')],
    'refused, but stored'));
  it('a retry was given another number',
    () => finds([row(1, 'a'), send('a', '1'), answer('a', 'ack', 1), answer('a', 'ack', 2)],
      'acknowledged with another number'));
  it('a client id is there twice', () => finds([row(1, 'a', { clientId: '1' }), row(2, 'b', { clientId: '1' })],
    'client id twice'));
  it('a message is stored under another client id',
    () => finds([row(1, 'a', { clientId: '2' }), send('a', '1'), answer('a', 'ack', 1)],
      'stored under another client id'));
  it('a timeout with a client id was never resolved',
    () => finds([row(1, 'a', { clientId: '1' }), send('a', '1'), answer('a', 'unknown')], 'no outcome'));
  it('a try has no answer at all', () => finds([send('a')], 'a try without an answer'));
  it('something was answered that nobody sent',
    () => finds([row(1, 'a'), answer('a', 'ack', 1)], 'answered, never sent'));
  it('the numbers have a hole', () => finds([row(1), row(3)], 'hole in the numbers'));
  it('a number is there twice', () => finds([row(1), row(1, 'u')], 'number twice'));
  it('the counter is not the last number',
    () => finds([...rows(3), { ev: 'counter', room: 'tea', seq: 4 }], 'counter'));
  it('something is shown that is not stored',
    () => finds([row(1), open(0), deliver(1), deliver(2)], 'delivered, not stored'));
  it('something is shown otherwise than it is stored',
    () => finds([row(1), open(0), deliver(1, 'live', { text: 'x' })], 'delivered otherwise than stored'));
  it('a number was shown as two messages',
    () => finds([row(1), open(0), deliver(1), { ...deliver(1, 'history', { text: 'x' }), reader: 'eve' }],
      'number shown as two messages', 'delivered otherwise than stored'));
  it('somebody who reads the database saw what was taken back by a crash', () => finds([row(1), saw(1), saw(1, 'x')],
    'number shown as two messages', 'seen, not stored'));
  it('somebody who reads the database saw what is gone', () => finds([row(1), saw(1), saw(2)], 'seen, not stored'));
  it('what was refused for good is stored after all',
    () => finds([row(1, 'e', { clientId: '1' }), send('e', '1'), answer('e', 'unknown'),
      { ...answer('e', 'refused'), final: true }], 'refused, but stored'));
  it('a change is acknowledged under the number of another command',
    () => finds([row(1, 'e', { some: true }), row(2, 'f', { some: true }), send('e', '1'),
      answer('e', 'ack', 2), send('f', '2'), answer('f', 'ack', 2)], 'acknowledged with another number'));
  it('a message was shown as what nobody made of it',
    () => finds([row(1, 't1', { now: 'x changed' }), open(0), deliver(1, 'live', { text: 'z' })],
      'delivered otherwise than stored'));
  it('something else is in the history',
    () => finds([row(1), open(), deliver(1, 'history', { text: 'x' })], 'delivered otherwise than stored'));
  it('a connection leaves one out',
    () => finds([...rows(3), open(), deliver(1), deliver(3), deliver(2, 'history')], 'gap'));
  it('a connection leaves one out before its history is there',
    () => finds([...rows(3), open(), deliver(1, 'early'), deliver(3, 'early')], 'gap'));
  it('a resumed connection begins too late',
    () => finds([...rows(3), open(0), deliver(1), open(1), deliver(3), deliver(2, 'history')], 'gap'));
  it('a resumed connection begins too early',
    () => finds([...rows(3), open(0), deliver(1), deliver(2), open(2), deliver(2), deliver(3)], 'delivered twice'));
  it('a connection goes back', () => finds([...rows(3), open(0), deliver(1), deliver(2), deliver(1), deliver(3)],
    'delivered twice', 'out of order'));
  it('a connection shows one twice', () => finds([...rows(3), open(), deliver(1), deliver(1), deliver(2)],
    'delivered twice'));
  it('a reader resumes behind what it had',
    () => finds([...rows(3), open(0), deliver(1), deliver(2), open(1), deliver(2), deliver(3)], 'resumed behind itself',
      'delivered twice'));
  it('the history does not fill a gap',
    () => finds([...rows(5), open(), deliver(1), open(), deliver(3, 'history'), deliver(4, 'history'), deliver(5)],
      'never seen'));
  it('a reader has not caught up in the end',
    () => finds([...rows(3), open(0), deliver(1), deliver(2), end], 'not caught up'));
  it('a reader that had nothing has not caught up', () => finds([...rows(3), open(0), end], 'not caught up'));
  it('a reset excuses what is missing before it, not after',
    () => finds([...rows(5), open(0), deliver(1), reset, deliver(3), deliver(5)], 'gap', 'never seen'));
  it('what was granted is not there', () => finds([claim('ack')], 'granted, but not there'));
  it('what was refused is there', () => finds([claim('refused'), fact], 'refused, but there'));
  it('what was granted is another', () => finds([claim('ack', { value: 'x' }), fact], 'granted as something else'));
  it('what was granted once is there twice', () => finds([claim('ack', { value: 'id' }), fact, fact], 'there twice'));
  it('a marker is behind what was granted',
    () => finds([mark(2, 'ack', 2), { ev: 'marked', key: 'm', seq: 1 }], 'marker lost'));
  it('a marker moved although that was refused',
    () => finds([mark(2, 'ack', 2), mark(3, 'refused'), { ev: 'marked', key: 'm', seq: 3 }], 'marker moved, but refused'));
  it('something is heard that nobody said', () => finds([frame('f'), heard('g')], 'heard, but never said'));
  it('something is heard twice on one connection', () => finds([frame('f'), heard('f'), heard('f')], 'heard twice'));
  it('one who is shown only one kind misses one of it', () => finds([row(1, 't1', { is: 'transfer' }),
    row(2, 't2', { is: 'transfer' }), row(3, 't3', { is: 'transfer' }), open(undefined, { only: 'transfer' }), deliver(1),
    deliver(3)], 'gap', 'never seen'));
  it('somebody is shown who is gone',
    () => finds([{ ev: 'inside', room: 'tea', names: ['ann'] },
      { ev: 'present', room: 'tea', names: ['ann', 'bob'], where: 'x' }], 'shown as present, but gone'));
  it('somebody is there and not shown',
    () => finds([{ ev: 'inside', room: 'tea', names: ['ann', 'bob'] },
      { ev: 'present', room: 'tea', names: ['ann'], where: 'x' }], 'present, but not shown'));
  it('somebody is shown twice', () => finds([{ ev: 'inside', room: 'tea', names: ['ann'] },
    { ev: 'present', room: 'tea', names: ['ann', 'ann'], where: 'x' }], 'present twice'));
  it('something else went wrong', () => finds([{ ev: 'wrong', what: 'x' }], 'wrong'));
});
