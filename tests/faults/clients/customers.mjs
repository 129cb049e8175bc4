// Customer sessions: whoever posts over REST with an Idempotency-Key, until it is known; and who listens on the socket,
// which gives the whole list after each change.
import { Client, NOT_DONE } from '../world.mjs';

const LIST = 200;

const query = (own, other) =>
  new URLSearchParams({ friendphone: other.account, userphone: own.account, app_sid: own.app_sid });

export class CustomerListener extends Client {
  constructor(world, room, own, other, name) {
    super(world, name, room);
    Object.assign(this, { own, other });
  }

  session() {
    const ws = this.world.dial(`/chat/v1/message?${query(this.own, this.other)}`);
    return this.live(ws, { open: () => {}, message: (list) => this.take(list) });
  }

  take({ code, data }) {
    if (code !== 1) return;
    if (this.last !== undefined && data.length === LIST && data[0].id > this.last + 1) this.lost();
    if (!this.connected) this.opened();
    for (const { id, content } of data) if (!(id <= this.last)) this.had(id, content, 'history');
    this.last ??= 0;
  }
}

export class CustomerPoster extends Client {
  connected = true;
  retries = true;

  constructor(world, room, own, other, name) {
    super(world, name, room);
    Object.assign(this, { own, other });
  }

  async say(text, clientId) {
    try {
      const { status, json } = await this.world.call('/chat/v1/message', { ms: 500 + Math.floor(Math.random() * 6000),
        headers: clientId ? { 'Idempotency-Key': clientId } : {},
        body: { friendInfo: this.other, userInfo: this.own, chat_content: text, chat_type: 0 } });
      if (status === 200 && json?.code === 1) return { what: 'ack' };
      return { what: NOT_DONE.includes(status) ? 'refused' : 'unknown', why: `${status} ${json?.msg}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }
}
