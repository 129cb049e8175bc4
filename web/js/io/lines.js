// Lines of the Socket.IO chat room: what comes over the wire made into lines, a history put where it belongs, and what
// the server does with a text. Pure: no DOM, no socket.
//
// A line is { name, text, at, system, whisper, to }: `whisper` is '', 'in' or 'out', `to` whom an own one is for.
// A note of this page itself is { note: KEY }, KEY one of its words.

import { toMillis } from '../time.js';

export const SYSTEM_NAME = '系统';
const CAME_IN = '加入聊天室';
// What the server says of a message or a name that it did not take. The acknowledgement says the same, and this page
// shows that, in its reader's language.
const REFUSALS = new RegExp([
  '已经被占用,请换一个用户名吧$', '不在聊天室$', '^用户名不合法,请换一个用户名吧$',
  '^消息不能为空,也不能有控制字符$',
  '^发言太多,请稍后再试$', '^消息没有发出,请稍后再试$', '^消息太长$',
  '^房间太多$', '^不能进入这个房间$',
].join('|'));

const asText = (value) => (typeof value === 'string' ? value : '');

/** A line from `{username, content, createAt}`; null when it is no such thing. */
export function toLine(row, now = Date.now()) {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) return null;
  if (typeof row.content !== 'string') return null;
  const name = asText(row.username);
  return {
    name,
    text: row.content,
    at: toMillis(row.createAt) ?? now,
    system: name === SYSTEM_NAME,
    whisper: row.private === true ? 'in' : '',
    to: '',
  };
}

const same = (a, b) => a.name === b.name && a.text === b.text && a.at === b.at;

/**
 * The history (oldest first, the latest that the server gives) put in at `mark`: before it stands what was here when
 * it was asked for, after it what came since. What is here already is not put in again; whispers are not part of a
 * history.
 */
export function mergeHistory(have, history, mark) {
  const fresh = history.filter((line) => !have.some((old) => old.note === undefined && same(old, line)));
  return [...have.slice(0, mark), ...fresh, ...have.slice(mark)];
}

/** What the server makes of a text: `@NAME text` is for NAME alone. */
export function address(text) {
  const found = /^@([^ ]+) ([^]+)$/.exec(text);
  return found ? { to: found[1], text: found[2] } : { to: '', text };
}

/** Whether one can whisper to somebody of that name at all. */
export const canWhisperTo = (name) => name !== '' && !name.includes(' ');

/** Who came in, if that is what a system line says; else ''. */
export function whoCame(text) {
  return text.endsWith(CAME_IN) ? text.slice(0, -CAME_IN.length) : '';
}

/** Whether a system line tells what the acknowledgement tells, too. */
export const isRefusal = (text) => whoCame(text) === '' && REFUSALS.test(text);
