// A client of customer sessions, as the article's mini program is one: parties by account, the frame with both parties' cards, and
// a list of rows for an answer.
import assert from 'node:assert/strict';
import { post, request } from './http.mjs';
import { Socket, unique } from './socket.mjs';

export const INCOMPLETE = { code: 0, msg: '参数不全!' };
export const UNKNOWN = { code: 0, msg: '用户不存在!' };
export const FAILED = { code: 0, msg: '聊天出现故障!' };

/** A registered customer: {account, username, avatar, app_sid}. */
export async function register(stack, card = {}) {
  const customer = { account: unique('13800'), app_sid: 'app-1', username: unique('name'),
    avatar: 'https://example.org/a.png', ...card };
  const answer = await post(`${stack.url}/users/register`, customer);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.status, 200, answer.text);
  stack.keepSecret(customer.account);
  return customer;
}

export const query = (user, friend, more = '') =>
  `friendphone=${encodeURIComponent(friend.account)}&userphone=${encodeURIComponent(user.account)}` +
  `&app_sid=${encodeURIComponent(user.app_sid)}${more}`;

/** The chatInfo that the article's page sends. */
export const chatInfo = (user, friend, content,
  type = 0) => ({ friendInfo: friend, userInfo: user, chat_content: content, chat_type: type });

/** The older rows over REST. */
export async function history(stack, user, friend, more = '') {
  const answer = await request(`${stack.url}/chat/v1/history?${query(user, friend, more)}`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.code, 1, answer.text);
  return answer.json.data;
}

export class Customer extends Socket {
  /** Connected, and the list that comes first is here. */
  static async connect(stack, user, friend, { relay = 0 } = {}) {
    const customer = Customer.dial(stack, `/chat/v1/message?${query(user, friend)}`, { relay });
    Object.assign(customer, { user, friend });
    await customer.until(() => customer.lists.length > 0, 'the first list');
    return customer;
  }

  eventsOf(value) {
    Customer.described?.check(value.code === 1 ? 'list' : 'failure', value);
    return super.eventsOf(value);
  }

  get lists() {
    return this.events.filter((event) => event.code === 1).map((event) => event.data);
  }

  /** The rows as the page shows them: what came last. */
  get rows() {
    return this.lists.at(-1);
  }

  get failures() {
    return this.events.filter((event) => event.code !== 1);
  }

  /** The article's send: text 0, image 1, video 2. Does not wait. */
  say(content, type = 0) {
    this.stack.keepSecret(content);
    const frame = chatInfo(this.user, this.friend, content, type);
    Customer.described?.check('say', frame);
    this.sendJson(frame);
    return content;
  }

  /** The row with this content, once it is in the list. */
  heard(content) {
    return this.until(() => this.rows?.find((row) => row.content === content),
      `a list with ${JSON.stringify(content).slice(0, 80)}`);
  }

  failure() {
    return this.nextEvent((event) => event.code !== 1, 'a failure');
  }
}

/** A session of two new customers with connections on the given relays. */
export async function session(stack, userRelays = [1], friendRelays = [2], cards = [{}, {}]) {
  const [user, friend] = [await register(stack, cards[0]), await register(stack, cards[1])];
  const users = await Promise.all(userRelays.map((relay) => Customer.connect(stack, user, friend, { relay })));
  const friends = await Promise.all(friendRelays.map((relay) => Customer.connect(stack, friend, user, { relay })));
  return { user, friend, users, friends, near: users[0], far: friends[0] };
}
