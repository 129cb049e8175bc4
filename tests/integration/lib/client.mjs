// A client of the chatroom, as the article's page is one: createChatroom over REST, then a WebSocket with both ids in its
// query.
import assert from 'node:assert/strict';
import { eventually } from './http.mjs';
import { Socket, assertSameList, unique } from './socket.mjs';

export { assertSameList, unique };

/** Enters a room by name: {roomId, nickId, roomName, nick}. */
export async function enter(stack, roomName, nick, headNum = 1, prefix = '/api') {
  const answer = await stack.api('createChatroom', { chatroomName: roomName, nickName: nick, headNum }, prefix);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.success, true);
  const { chatroomId: roomId, nickId } = answer.json.data;
  return { roomId, nickId, roomName, nick };
}

export class Client extends Socket {
  /** seat: what enter() gave. relay: 0 through nginx, n directly to that relay's own port. */
  static async connect(stack, seat, { relay = 0, path = '/', options = {} } = {}) {
    const client =
      Client.dial(stack, `?roomId=${encodeURIComponent(seat.roomId)}&nickId=${encodeURIComponent(seat.nickId)}`,
      { relay, path, options });
    client.seat = seat;
    await client.opened;
    return client;
  }

  /** Connected, and its arrival announced: the client sees its own name among the members. */
  static async join(stack, seat, how) {
    const client = await Client.connect(stack, seat, how);
    await client.until((c) => c.members?.some((m) => m.user_name === seat.nick), `${seat.nick} among the members`);
    return client;
  }

  /** Any query string, right or wrong; `opened` and `closed` tell what became of it. */
  static dial(stack, query, { relay = 0, path = '/', options = {} } = {}) {
    return super.dial(stack, `${path}${query}`, { relay, options });
  }

  /** Every frame is an array of events; `members` is the latest list. */
  eventsOf(events) {
    assert.ok(Array.isArray(events) && events.length > 0, 'every frame is an array of events');
    Client.described?.check('events', events);
    for (const event of events) if (event.type === 'members') this.members = event.data;
    return events;
  }

  /** The next event of a type (after the one that next() gave last) for which match holds. */
  next(type, match = () => true) {
    return this.nextEvent((event) => event.type === type && match(event.data), `the next ${type} event`);
  }

  /** All message data so far. */
  get messages() {
    return this.events.filter((event) => event.type === 'message').map((event) => event.data);
  }

  /** Contents of what people (not the system) said. */
  get said() {
    return this.messages.filter((m) => m.log_user_name !== 'system').map((m) => m.log_content);
  }

  /** System lines. */
  get lines() {
    return this.messages.filter((m) => m.log_user_name === 'system').map((m) => m.log_content);
  }

  /** The frame an article's page sends. Does not wait. */
  say(content, more = {}) {
    this.stack.keepSecret(content);
    const frame = { type: 'message', content, sendUserName: this.seat.nick, sendUserId: this.seat.nickId,
      sendRoom: this.seat.roomId, sendTime: '2024-02-29 12:34:56' };
    Client.described?.check('say', frame);
    this.sendJson({ ...frame, ...more });
    return content;
  }

  /** The message with this content, once it is here. */
  heard(content) {
    return this.until(() => this.messages.find((m) => m.log_content === content && m.log_user_name !== 'system'),
      `the message ${JSON.stringify(content).slice(0, 80)}`);
  }

  /** The system line, once it is here. */
  line(content) {
    return this.until(() => this.messages.find((m) => m.log_content === content && m.log_user_name === 'system'),
      `the line ${content}`);
  }

  /** The current members are exactly these names. */
  present(...names) {
    const wanted = [...names].sort().join('\n');
    return this.until(() => this.members?.map((m) => m.user_name).sort().join('\n') === wanted,
      `the members ${names.join(', ')} (now ${this.members?.map((m) => m.user_name)})`);
  }

  queryLogs(more = {}) {
    const frame = { type: 'query-logs', sendUserId: this.seat.nickId, sendRoom: this.seat.roomId };
    Client.described?.check('query_logs', frame);
    this.sendJson({ ...frame, ...more });
  }

  /** Asks for the history and gives its rows. */
  async history() {
    this.cursor = this.events.length;
    this.queryLogs();
    return (await this.next('logs')).data;
  }
}

/** People in one room, one each at relays 1 and 2 and one through nginx, as soon as REST has a database again. */
export async function gather(stack) {
  const people = [], roomName = unique('room');
  for (const relay of [1, 2, 0]) {
    const seat = await eventually(() => enter(stack, roomName, unique('nick')), 'REST to have the database again');
    people.push(await Client.join(stack, seat, { relay }));
  }
  await settle(...people);
  return people;
}

/**
 * Proves that nothing more is on its way to these clients of one room: each says something and all have heard all of
 * it. What was sent before and has not arrived by then will not come.
 */
export async function settle(...clients) {
  for (const client of clients) {
    const content = client.say(unique('settle'));
    await Promise.all(clients.map((other) => other.heard(content)));
  }
}

/** The seq numbers of a client's messages are 'first, first + 1, …' without a gap or a repetition. */
export function assertWhole(client, what = 'messages') {
  const seqs = client.messages.map((m) => m.seq);
  seqs.forEach((seq, i) => assert.equal(seq, seqs[0] + i, `${what}: number ${i} of ${seqs.length}`));
}
