// A client of the friend chat, as the article's WsRequest is one: ws://HOST/ws/USER, frames {friend, from, to, content, type}.
import assert from 'node:assert/strict';
import { eventually, post, request } from './http.mjs';
import { Socket, unique } from './socket.mjs';

/** A GET or POST of /api/…: {status, json, …}. */
export const ask = (stack, path, headers = {}) => request(`${stack.url}/api/${path}`, { headers });
export const tell = (stack, path, body, headers = {}) => post(`${stack.url}/api/${path}`, body, headers);

/** The data of a good answer. */
export async function data(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  assert.equal(json?.success, true, text);
  return json.data;
}

/** A refusal in the friend chat's form. */
export async function refused(answer, ...statuses) {
  const { status, text, json } = await answer;
  assert.ok(statuses.includes(status), `${status} instead of ${statuses}: ${text}`);
  assert.deepEqual(Object.keys(json).sort(), ['code', 'error'], text);
  for (const word of Object.values(json)) assert.ok(typeof word === 'string' && word, text);
  return json.code;
}

/** {userId, name} */
export const newUser = (stack, name = unique('friend'), more = {}) => data(tell(stack, 'users', { name, ...more }));

/** The friendship's id. */
export const befriend = async (stack, user1, user2) =>
  (await data(tell(stack, 'friends', { user1: user1.userId, user2: user2.userId }))).friendId;

/** Rows of a friendship's history. */
export const history = (stack, friendId, user,
  query = '') => data(ask(stack, `friends/${friendId}/messages?userId=${user.userId}${query}`));

/** The user's row about one friendship. */
export async function entry(stack, friendId, user) {
  return (await data(ask(stack, `friends?userId=${user.userId}`))).find((row) => row.friendId === friendId);
}

export class Friend extends Socket {
  static async connect(stack, user, { relay = 0, headers } = {}) {
    const friend = Friend.dial(stack, `/ws/${user.userId}`, { relay, options: { headers } });
    friend.user = user;
    await friend.opened;
    return friend;
  }

  eventsOf(value) {
    Friend.described?.check(value.type === 'error' ? 'error' : 'message', value);
    return super.eventsOf(value);
  }

  /** The article's send(). Does not wait; nothing comes back. */
  send(friendId, content, receiverId, type = 'text') {
    const frame = { friend: friendId, from: this.user.userId, to: receiverId, content, type };
    this.stack.keepSecret(content);
    Friend.described?.check('say', frame);
    this.sendJson(frame);
    return content;
  }

  /** The message with this content, once it is here. */
  heard(content) {
    return this.until(() => this.events.find((event) => event.content === content),
      `the message ${JSON.stringify(content).slice(0, 80)}`);
  }

  /** The next refusal's code. */
  async refusal() {
    return (await this.nextEvent((event) => event.type === 'error', 'a refusal')).code;
  }

  get said() {
    return this.events.filter((event) => event.type !== 'error').map((event) => event.content);
  }

  get errors() {
    return this.events.filter((event) => event.type === 'error').map((event) => event.code);
  }

  forget() {
    this.frames.length = this.events.length = this.cursor = 0;
  }
}

/**
 * Everything that was sent between these two sides (lists of connections) before this call has arrived once it is
 * over. The article's server acknowledges nothing, so each side hears the other; said again until heard, because a
 * connection that has just opened may not be in its conversations yet.
 */
export async function settle(friendId, one, other) {
  for (const [from, to] of [[one[0], other], [other[0], one]]) {
    const contents = new Set();
    await eventually(() => {
      contents.add(from.send(friendId, unique('settle'), to[0].user.userId));
      return to.every((socket) => socket.events.some((event) => contents.has(event.content)));
    }, 'both sides to hear each other');
    const last = from.send(friendId, unique('settle'), to[0].user.userId);
    await Promise.all(to.map((socket) => socket.heard(last)));
  }
}

/** Two new friends with connections on the given relays: {friendId, one, other, ones, others}; nothing heard yet. */
export async function couple(stack, ones = [1], others = [2]) {
  const users = [await newUser(stack), await newUser(stack)];
  const friendId = await befriend(stack, ...users);
  const connect = (user, relays) => Promise.all(relays.map((relay) => Friend.connect(stack, user, { relay })));
  const sides = [await connect(users[0], ones), await connect(users[1], others)];
  await settle(friendId, ...sides);
  for (const socket of sides.flat()) socket.forget();
  return { friendId, ones: sides[0], others: sides[1], one: sides[0][0], other: sides[1][0] };
}
