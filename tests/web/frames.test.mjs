// What is sent and what is made of that which comes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fill, MAX_FRAME_BYTES, messageFrame, queryLogsFrame, readEvents, readMembers,
  tidy } from '../../web/js/frames.js';

const who = { nickName: '小满', nickId: 'user_1', roomId: 'room_1' };

test('frames are those of the article\'s client', () => {
  assert.deepEqual(JSON.parse(messageFrame(who, 'a"\n</script>', new Date(2024, 0, 2, 3, 4, 5))), {
    type: 'message', content: 'a"\n</script>', sendUserName: '小满', sendUserId: 'user_1', sendRoom: 'room_1',
    sendTime: '2024-01-02 03:04:05',
  });
  assert.deepEqual(JSON.parse(queryLogsFrame(who)), { type: 'query-logs', sendUserId: 'user_1', sendRoom: 'room_1' });
});

test('the bound counts bytes of the whole frame, escapes included', () => {
  assert.ok(fill(who, '茶'.repeat(21_000)) < 1);
  assert.ok(fill(who, '茶'.repeat(21_900)) > 1);
  assert.ok(fill(who, '\u0001'.repeat(11_000)) > 1);
  let n = 65_000;
  while (fill(who, 'x'.repeat(n + 1)) <= 1) n++;
  assert.equal(Buffer.byteLength(messageFrame(who, 'x'.repeat(n))), MAX_FRAME_BYTES);
});

test('blank is nothing to say; half characters and trailing blanks are mended, the rest is left alone', () => {
  for (const blank of ['', '  ', '\n\t\u3000']) assert.equal(tidy(blank), '');
  assert.equal(tidy('  a\r\nb \n'), '  a\nb');
  assert.equal(tidy('x\uD83C y\uDF75 z\uD83C\uDF75'), 'x\uFFFD y\uFFFD z\uD83C\uDF75');
});

test('what the server would refuse or replace is not sent, so that the echo is alike', () => {
  assert.equal(tidy('a\u202Eb\u202C \u2066c\u2069'), 'ab c');
  assert.equal(tidy('a\u0000b\u001B[31m\tc\nd\u007F\u200F\u200D'), 'ab[31m\tc\nd\u007F\u200F\u200D');
  assert.equal(tidy('\u202E \u0007'), '');
});

test('a frame of any shape is read or left', () => {
  for (const raw of ['', '{', 'null', '7', '"x"', '[null,1,"a",[],{"type":5}]', new ArrayBuffer(2)]) {
    assert.deepEqual(readEvents(raw), []);
  }
  assert.deepEqual(readEvents('[{"type":"a"},{"type":"b","data":1}]').map((e) => e.type), ['a', 'b']);
});

test('members: each once, oddities left out', () => {
  assert.deepEqual(readMembers(null), []);
  const list =
    readMembers([{ user_name: 'a', head_num: '3' }, null, { user_name: 5 }, { user_name: 'a' }, { user_name: 'b' }]);
  assert.deepEqual(list, [{ name: 'a', head: '3' }, { name: 'b', head: undefined }]);
});
