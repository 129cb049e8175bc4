// Frames of the chatroom's WebSocket: what this page sends, and reading what it gets without trusting its shape. Pure.

import { toStamp } from './time.js';

/** The server refuses a larger frame; counted in bytes of the whole encoded frame. */
export const MAX_FRAME_BYTES = 64 * 1024;

const encoder = new TextEncoder();

export function byteLength(text) {
  return encoder.encode(text).length;
}

/** `who` is {nickName, nickId, roomId}. */
export function messageFrame(who, content, date = new Date()) {
  return JSON.stringify({
    type: 'message',
    content,
    sendUserName: who.nickName,
    sendUserId: who.nickId,
    sendRoom: who.roomId,
    sendTime: toStamp(date),
  });
}

export function queryLogsFrame(who) {
  return JSON.stringify({ type: 'query-logs', sendUserId: who.nickId, sendRoom: who.roomId });
}

/** How much of the allowed frame a text takes, 0 to 1 and beyond. */
export function fill(who, content) {
  return byteLength(messageFrame(who, content)) / MAX_FRAME_BYTES;
}

// What the server refuses in content (controls) or replaces in it (bidirectional controls, which can make a line read
// as another). Neither can be seen, so neither is missed; and an echo that differs would not be known for one's own.
const UNSEEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u202A-\u202E\u2066-\u2069]/g;
const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/**
 * A person's text as it is sent, and as it comes back: no trailing blanks, half characters or unseen controls; '' when
 * nothing is left to say.
 */
export function tidy(text) {
  const whole = text.replace(UNSEEN, '').replace(HALF, '\uFFFD');
  return whole.trim() === '' ? '' : whole.replace(/\r\n?/g, '\n').trimEnd();
}

/** The events of one server frame: objects with a string `type`. Anything else is left out. */
export function readEvents(raw) {
  if (typeof raw !== 'string') return [];
  let value;
  try {
    value = JSON.parse(raw);
  } catch {
    return [];
  }
  const list = Array.isArray(value) ? value : [value];
  return list.filter((e) => e !== null && typeof e === 'object' && typeof e.type === 'string');
}

/** The people of a `members` event, each name once, in the server's order. */
export function readMembers(data) {
  if (!Array.isArray(data)) return [];
  const byName = new Map();
  for (const m of data) {
    if (m !== null && typeof m === 'object' && typeof m.user_name === 'string' && !byName.has(m.user_name)) {
      byName.set(m.user_name, { name: m.user_name, head: m.head_num });
    }
  }
  return [...byName.values()];
}
