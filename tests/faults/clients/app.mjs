// Users of an application in a conversation of its own: some talk on the native protocol with tokens that the server gave
// out for them, and its backend says things in their names, with a server key, until it is known what became of each.
import { Native } from './native.mjs';
import { Client, NOT_DONE } from '../world.mjs';

export class AppNative extends Native {
  constructor(world, room, user, name) {
    super(world, { roomId: room }, name);
    this.user = user;
  }

  proof() {
    return { token: this.user.token };
  }
}

/** The backend. Its messages are its users' (`client_id` is theirs), one of them for each try. */
export class Backend extends Client {
  connected = true;
  retries = true;

  constructor(world, room, key, from, name) {
    super(world, name, room);
    Object.assign(this, { key, from });
  }

  async say(text, clientId) {
    try {
      const { status, json } = await this.world.call(`/v1/conversations/${this.room}/messages`,
        { ms: 500 + Math.floor(Math.random() * 6000), headers: { Authorization: `Bearer ${this.key}` },
          body: { from: this.from, content: text, client_id: clientId ?? text.replaceAll(' ', '.') } });
      if (status === 200 || status === 201) return { what: 'ack', seq: json.seq };
      return { what: NOT_DONE.includes(status) ? 'refused' : 'unknown', why: `${status} ${json?.error?.code}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }
}
