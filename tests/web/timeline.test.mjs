// Merging history with what came live, grouping, and settling one's own messages by their echo.
import assert from 'node:assert/strict';
import test from 'node:test';
import { addLive, mergeHistory, place, settle, toItem } from '../../web/js/timeline.js';

const row = (n, text, seq, time = `2024-05-01 10:00:0${n % 10}`) => ({
  log_user_name: 'ann', log_content: text, log_time: time, ...(seq !== undefined && { seq }),
});
const items = (...rows) => rows.map((r) => toItem(r));
const texts = (list) => list.map((i) => i.text);

test('a row of any shape becomes an item or nothing', () => {
  for (const bad of [null, undefined, 7, 'x', []]) assert.equal(toItem(bad), null);
  const odd = toItem({ log_user_name: 5, log_content: null, log_time: 'soon', seq: -3 });
  assert.deepEqual(odd, { seq: null, name: '5', text: '', at: null, system: false, gap: false });
  assert.equal(toItem({ log_user_name: 'system', log_content: 'x' }).system, true);
  assert.equal(toItem(row(1, 'x', '42')).seq, 42);
  assert.equal(toItem({ ...row(1, 'x'), ts: 5 }).at, 5);
});

test('numbered history after a reconnect adds what was missed and repeats nothing', () => {
  const have = items(row(1, 'a', 1), row(2, 'b', 2));
  const { items: all, fresh } = mergeHistory(have, items(row(1, 'a', 1), row(2, 'b', 2), row(3, 'c', 3)));
  assert.deepEqual(texts(all), ['a', 'b', 'c']);
  assert.deepEqual(texts(fresh), ['c']);
  assert.equal(all.some((i) => i.gap), false);
  assert.deepEqual(texts(have), ['a', 'b']);
});

test('a message that came live before the history stays in its place', () => {
  const { items: all, fresh } = mergeHistory(items(row(3, 'c', 3)),
    items(row(1, 'a', 1), row(2, 'b', 2), row(3, 'c', 3)));
  assert.deepEqual(texts(all), ['a', 'b', 'c']);
  assert.deepEqual(texts(fresh), ['a', 'b']);
});

test('history that does not reach back to what is here leaves a marked gap', () => {
  const { items: all } = mergeHistory(items(row(1, 'a', 1)), items(row(5, 'e', 5), row(6, 'f', 6)));
  assert.deepEqual(all.map((i) => [i.text, i.gap]), [['a', false], ['e', true], ['f', false]]);
  assert.equal(mergeHistory(items(row(1, 'a')), items(row(5, 'e'))).items[1].gap, true);
});

test('a number that now means something else makes the server right', () => {
  const { items: all } = mergeHistory(items(row(1, 'a', 1), row(2, 'b', 2)), items(row(1, 'other', 1)));
  assert.deepEqual(texts(all), ['other']);
  assert.equal(addLive(items(row(1, 'a', 1), row(2, 'b', 2)), toItem(row(1, 'other', 1))).renumbered, true);
});

test('history without numbers is matched by who, what and when', () => {
  const have = items(row(1, 'ok'), row(1, 'ok'), row(2, 'b'));
  const { items: all, fresh } = mergeHistory(have, items(row(1, 'ok'), row(1, 'ok'), row(2, 'b'), row(3, 'ok')));
  assert.deepEqual(texts(all), ['ok', 'ok', 'b', 'ok']);
  assert.deepEqual(texts(fresh), ['ok']);
});

test('a live system line without a time is known again in the history', () => {
  const live = toItem({ log_user_name: 'system', log_content: 'bo 进入了房间' });
  const past = toItem({ log_user_name: 'system', log_content: 'bo 进入了房间', log_time: '2024-05-01 10:00:00' });
  const { items: all } = mergeHistory([live], [toItem(row(1, 'a')), past]);
  assert.equal(all.length, 2);
});

test('without numbers, older lines that fell out of the latest 200 stay on top, later live ones at the end', () => {
  const have = items(row(1, 'old'), row(2, 'b'), row(4, 'late'));
  const { items: all } = mergeHistory(have, items(row(2, 'b'), row(3, 'c')));
  assert.deepEqual(texts(all), ['old', 'b', 'c', 'late']);
});

test('empty history changes nothing', () => {
  const have = items(row(1, 'a', 1));
  assert.equal(mergeHistory(have, []).items, have);
  assert.deepEqual(mergeHistory([], have).fresh.length, 1);
});

test('live: next is appended, known is ignored, late is put in order', () => {
  const have = items(row(1, 'a', 1), row(3, 'c', 3));
  assert.equal(addLive(have, toItem(row(4, 'd', 4))).appended, true);
  assert.equal(addLive(have, toItem(row(3, 'c', 3))).items, have);
  const late = addLive(have, toItem(row(2, 'b', 2)));
  assert.deepEqual([late.appended, texts(late.items)], [false, ['a', 'b', 'c']]);
});

test('live: the same words twice in one second are two messages when there is no number', () => {
  const have = items(row(1, 'ok'));
  assert.equal(addLive(have, toItem(row(1, 'ok'))).items.length, 2);
});

test('a speaker is named once in five minutes, and anew after a system line, a gap or midnight', () => {
  const at = (time, over = {}) => ({ ...toItem({ log_user_name: 'ann', log_content: 'x', log_time: time }), ...over });
  const first = at('2024-05-01 10:00:00');
  assert.deepEqual(place(null, first), { day: true, heading: true });
  assert.deepEqual(place(first, at('2024-05-01 10:04:59')), { day: false, heading: false });
  assert.equal(place(first, at('2024-05-01 10:05:01')).heading, true);
  assert.equal(place(first, at('2024-05-01 10:00:01', { name: 'bo' })).heading, true);
  assert.equal(place(first, at('2024-05-01 10:00:01', { gap: true })).heading, true);
  assert.equal(place(at('2024-05-01 09:59:59', { system: true }), first).heading, true);
  assert.deepEqual(place(at('2024-05-01 23:59:59'), at('2024-05-02 00:00:01')), { day: true, heading: true });
  assert.equal(place(first, at('2024-05-01 10:00:01', { system: true })).heading, false);
  assert.equal(place(null, { ...first, at: null }).day, false);
});

test('an echo settles the oldest message alike, once; a namesake text of another does not', () => {
  const a1 = { text: 'hi' };
  const a2 = { text: 'hi' };
  const b = { text: 'yo' };
  const echo = (text, name = 'ann') => ({ ...toItem(row(1, text)), name });
  let r = settle([a1, a2, b], [echo('hi')], 'ann');
  assert.equal(r.settled[0], a1);
  assert.deepEqual(r.left, [a2, b]);
  r = settle([a1, a2], [echo('hi'), echo('hi'), echo('hi')], 'ann');
  assert.equal(r.left.length, 0);
  assert.equal(settle([a1], [echo('hi', 'bo')], 'ann').left.length, 1);
  assert.equal(settle([a1], [{ ...echo('hi', 'system'), system: true }], 'system').left.length, 1);
});

test('any mixture of live and history, in any cut, ends as the server has it', () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  for (let round = 0; round < 300; round++) {
    const server = Array.from({ length: 5 + random(30) }, (_, i) => toItem(row(i, `t${random(4)}`, i + 1)));
    let have = [];
    let heard = 0;
    while (heard < server.length) {
      const upTo = Math.min(server.length, heard + 1 + random(4));
      if (random(3) === 0) have = mergeHistory(have, server.slice(0, upTo)).items;
      else for (const item of server.slice(Math.max(0, heard - random(3)), upTo)) have = addLive(have, item).items;
      heard = upTo;
    }
    assert.deepEqual(have.map((i) => i.seq), server.map((i) => i.seq));
  }
});
