// A space: points that one member gives another over REST, each under a client id until it is known; and who hears of
// it on the socket. No two transfers of a round are of as many points, so a row tells which it is.
import { Client } from '../world.mjs';

export class Player extends Client {
  constructor(world, space, own, name) {
    super(world, name, space.roomId);
    Object.assign(this, { space, own });
  }

  session() {
    const ws = this.world.dial(`/${encodeURIComponent(this.space.roomNum)}?` +
      new URLSearchParams({ token: this.own.token, roomId: this.space.roomId }));
    if (this.last !== undefined) this.lost(); // there is no cursor
    return this.live(ws, { open: () => this.opened(), message: (event) => this.take(event) });
  }

  take({ type, seq, transfer }) {
    if (type === 'transfer' && transfer) this.had(seq, this.world.transfers.get(transfer.score));
  }
}

export class Giver extends Client {
  connected = true;
  retries = true;

  constructor(world, space, own, other, name) {
    super(world, name, space.roomId);
    Object.assign(this, { space, own, other });
  }

  async say(text, clientId) {
    let score = [...this.world.transfers].find(([, other]) => other === text)?.[0];
    if (!score) this.world.transfers.set(score = this.world.transfers.size + 1, text);
    try {
      const { status, json } = await this.world.call(`/api/spaces/${this.room}/transfers`,
        { ms: 500 + Math.floor(Math.random() * 6000), headers: { token: this.own.token },
          body: { toId: this.other.userId, score, clientId } });
      if (status === 200) return { what: 'ack', seq: json.seq };
      const refused = [400, 401, 403, 404, 409, 429, 503].includes(status) && json?.code && json.code !== 'unknown';
      return { what: refused ? 'refused' : 'unknown', why: `${status} ${json?.code}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }
}
