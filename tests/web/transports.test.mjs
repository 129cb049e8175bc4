// What the page with five transports counts, and how it reads what it is sent.
import assert from 'node:assert/strict';
import test from 'node:test';
import { bytesText, eventBytes, frameBytes, headBytes, readEvent, readMessage, readPoll,
  scriptBytes } from '../../web/js/transports/measure.js';

test('a response\'s head is counted as it stands on the wire', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: now\r\n\r\n';
  assert.equal(headBytes(new Headers({ 'content-type': 'application/json', date: 'now' })), head.length);
});

test('an event is counted with its fields', () => {
  assert.equal(eventBytes({ type: 'message', lastEventId: '1-2', data: '{"a":"茶"}' }),
    'id: 1-2\ndata: {"a":"..."}\n\n'.length);
  assert.equal(eventBytes({ type: 'members', lastEventId: '', data: 'a\nb' }),
    'event: members\ndata: a\ndata: b\n\n'.length);
});

test('a frame is counted with its header', () => {
  assert.deepEqual([0, 125, 126, 65535, 65536].map((n) => frameBytes('x'.repeat(n)) - n), [2, 2, 4, 4, 10]);
  assert.equal(frameBytes('茶'), 5);
  assert.equal(scriptBytes('parent.f(1)'), '<script>parent.f(1)</script>'.length);
});

test('bytes are said in a unit that can be read', () => {
  assert.deepEqual([0, 1023, 1024, 150 * 1024, 3 << 20].map(bytesText),
    ['0 B', '1023 B', '1.0 KiB', '150 KiB', '3.0 MiB']);
});

test('a poll\'s answer is looked at before it is believed', () => {
  assert.deepEqual(readPoll({ epoch: 'e', next: 4, events: [{ seq: 4, type: 'message', data: {} }, 7] }),
    { epoch: 'e', next: 4, reset: false, events: [{ seq: 4, type: 'message', data: {} }] });
  for (const odd of [null, undefined, 1, 'x', [], {}, { next: 1 }, { next: '1', events: [] }, { next: 1.5, events: [] },
    { next: 1, events: {} }]) {
    assert.equal(readPoll(odd), null);
  }
});

test('only a message is shown, and only its text', () => {
  assert.deepEqual(readMessage(readEvent({ type: 'message', data: { log_user_name: 'Ann', log_content: '<b>' } })),
    { name: 'Ann', text: '<b>' });
  assert.deepEqual(readMessage({ type: 'message', data: { log_content: 'x', log_user_name: 1 } }),
    { name: '', text: 'x' });
  for (const odd of [{ type: 'members', data: [] }, { type: 'message', data: null }, { type: 'message', data: {} }])
    assert.equal(readMessage(odd), null);
  for (const odd of [null, 1, {}, { type: 1 }]) assert.equal(readEvent(odd), null);
});
