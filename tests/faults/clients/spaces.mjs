// A space: points that one member gives another over REST, each under a client id until it is known; and who hears of
// it on the socket. No two transfers of a round are of as many points, so a row tells which it is.
import { Pipeliner } from './pipeline.mjs';
import { Client, NOT_DONE, pause } from '../world.mjs';

export class Player extends Client {
  constructor(world, space, own, name) {
    super(world, name, space.roomId);
    Object.assign(this, { space, own });
  }

  session() {
    const ws = this.world.dial(`/${encodeURIComponent(this.space.roomNum)}?` +
      new URLSearchParams({ token: this.own.token, roomId: this.space.roomId }));
    this.ws = ws;
    this.connection = (this.connection ?? 0) + 1;
    if (this.last !== undefined) this.lost(); // there is no cursor
    return this.live(ws, { open: () => this.opened(undefined, { only: 'transfer' }), message: (event) => this.take(event) });
  }

  take({ type, seq, transfer, toMsg: text }) {
    if (type === 'transfer' && transfer) this.had(seq, this.world.transfers.get(transfer.score));
    else if (text)
      this.world.record({ ev: 'heard', room: this.room, text, reader: `${this.name} ${this.connection}` });
  }

  /** Frames go out as fast as they may: nothing acknowledges them, and nothing keeps them. */
  async talkOn() {
    const { world, name, room } = this;
    while (world.talking) {
      for (let i = Math.floor(Math.random() * 12); i > 0 && this.connected && this.ws.readyState === 1; i--) {
        const text = world.text(name);
        world.record({ ev: 'frame', by: name, room, text });
        this.ws.send(JSON.stringify({ spaceName: this.space.roomNum, toId: 'all', toMsg: text }));
      }
      await pause(150 + Math.random() * 400);
    }
  }
}

/** The native protocol in a space, for a user who also makes transfers there: with each thing that it says, one goes out
 *  under the same client id. They are two things, whatever fails. */
export class SpaceNative extends Pipeliner {
  constructor(world, space, own, name, giver) {
    super(world, { roomId: space.roomId }, name);
    Object.assign(this, { me: own, giver });
  }

  proof() {
    return { token: this.me.token };
  }

  takeEvent({ kind, content, ...event }) {
    super.takeEvent(kind === 'transfer' ? { ...event, kind, content: this.world.transfers.get(content.score) }
      : { ...event, kind, content });
  }

  command() {
    const command = super.command();
    if (command.cmd === 'send' && Math.random() < 0.3) this.alongside.push(this.giver.giveUnder(command.client_id));
    return command;
  }

  alongside = [];

  async talkOn() {
    await super.talkOn();
    await Promise.all(this.alongside);
  }
}

export class Giver extends Client {
  connected = true;
  retries = true;

  constructor(world, space, own, other, name) {
    super(world, name, space.roomId);
    Object.assign(this, { space, own, other });
  }

  /** One transfer under an id that something else has, too. */
  giveUnder(clientId) {
    const text = this.world.text(this.name);
    this.world.record({ ev: 'send', by: this.name, room: this.room, text, clientId });
    return this.sayUntilKnown(text, clientId);
  }

  async say(text, clientId) {
    let score = [...this.world.transfers].find(([, other]) => other === text)?.[0];
    if (!score) this.world.transfers.set(score = this.world.transfers.size + 1, text);
    try {
      const { status, json } = await this.world.call(`/api/spaces/${this.room}/transfers`,
        { ms: 500 + Math.floor(Math.random() * 6000), headers: { token: this.own.token },
          body: { toId: this.other.userId, score, clientId: clientId ?? text.replaceAll(' ', '.') } });
      if (status === 200) return { what: 'ack', seq: json.seq };
      return { what: NOT_DONE.includes(status) ? 'refused' : 'unknown', why: `${status} ${json?.code}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }
}
