// Times, languages, heads and the address: small things that people see.
import assert from 'node:assert/strict';
import test from 'node:test';
import { headIndex, HEADS, initial, tone } from '../../web/js/heads.js';
import { pick, systemLine, useLanguage, words } from '../../web/js/i18n.js';
import '../../web/js/io/words.js';
import '../../web/js/transports/words.js';
import { hashForRoom, loadSeat, roomInHash, saveSeat } from '../../web/js/session.js';
import { clock, dayLabel, toMillis, toStamp } from '../../web/js/time.js';

test('a stamp comes back as it went', () => {
  const date = new Date(2024, 11, 31, 23, 59, 58);
  assert.equal(toStamp(date), '2024-12-31 23:59:58');
  assert.equal(toMillis(toStamp(date)), date.getTime());
  assert.equal(clock(date.getTime()), '23:59');
  assert.equal(toMillis('2024-05-01T10:00:00Z'), Date.UTC(2024, 4, 1, 10));
  for (const bad of [undefined, null, '', 'soon', '2024-13-01 00:00:00', '2024-02-30 00:00:00', NaN, {}]) {
    assert.equal(toMillis(bad), null);
  }
});

test('days are named as people name them', () => {
  const named = { today: 'T', yesterday: 'Y' };
  const now = new Date(2024, 2, 1, 0, 5).getTime();
  assert.equal(dayLabel(now, 'en', named, now), 'T');
  assert.equal(dayLabel(new Date(2024, 1, 29, 23, 59).getTime(), 'en', named, now), 'Y');
  assert.equal(dayLabel(new Date(2024, 1, 28).getTime(), 'en', named, now), 'Wednesday, February 28');
  assert.match(dayLabel(new Date(2023, 5, 1).getTime(), 'en', named, now), /2023/);
});

test('both languages have the same words with the same blanks', () => {
  const blanks = (w) => (typeof w === 'string' ? (w.match(/\{\w+\}/g) ?? []).sort() : w.length);
  assert.deepEqual(Object.keys(words.zh).sort(), Object.keys(words.en).sort());
  for (const key of Object.keys(words.zh)) assert.deepEqual(blanks(words.zh[key]), blanks(words.en[key]), key);
  assert.equal(words.en.heads.length, HEADS);
});

test('any Chinese is Chinese, everything else English', () => {
  assert.deepEqual(['zh', 'zh-CN', 'ZH-Hant-TW', 'en-GB', 'fr', '', undefined].map(pick),
    ['zh', 'zh', 'zh', 'en', 'en', 'en', 'en']);
});

test('system lines speak the reader\'s language, a name with the same words in it stays whole', () => {
  useLanguage('en');
  assert.equal(systemLine('a 进入了房间 离开了房间'), 'a 进入了房间 left');
  assert.equal(systemLine('{name} 进入了房间'), '{name} came in');
  assert.equal(systemLine('something else'), 'something else');
  useLanguage('zh');
  assert.equal(systemLine('a 离开了房间'), 'a 离开了房间');
});

test('any head_num of any client is one of ours or none', () => {
  assert.deepEqual([1, 12, 13, '5', 0, 99].map(headIndex), [1, 12, 1, 5, 12, 3]);
  for (const odd of [null, undefined, '', 'x', -1, 1.5, {}, '1e3']) assert.equal(headIndex(odd), null);
});

test('a name has one tone and a whole first character', () => {
  assert.equal(tone('小满'), tone('小满'));
  assert.deepEqual(['ann', ' 茶', '👨‍👩‍👧x', ''].map(initial), ['A', '茶', '👨‍👩‍👧', '·']);
});

test('a room is named in the address, whatever its name', () => {
  for (const name of ['春茶', 'a b+c&d=e#f%20', '</script>', '🍵']) {
    assert.equal(roomInHash(new URL(hashForRoom(name), 'http://h/').hash), name);
  }
  assert.equal(roomInHash(''), '');
});

test('without storage nothing is kept and nothing breaks', () => {
  saveSeat({ roomId: 'r', nickId: 'n' });
  assert.equal(loadSeat(), null);
});
