// A gate in front of a Redis: while it is shut, whoever subscribes to something waits, and all else goes on.
import { Proxy } from './proxy.mjs';

export class Gate extends Proxy {
  shut = false;
  held = []; // {server, bytes} in the order in which they came
  waiters = [];

  pass(client, server) {
    server.pipe(client);
    client.on('data', (bytes) => {
      const subscribes = this.shut && /\nS?SUBSCRIBE\r/i.test(bytes.toString('latin1'));
      if (!subscribes && !this.held.some((one) => one.server === server)) {
        server.write(bytes);
        return;
      }
      this.held.push({ server, bytes });
      this.waiters.splice(0).forEach((tell) => tell());
    });
  }

  /** Shuts it, and resolves to what `act` does once somebody waits there because of it. */
  async during(act) {
    this.shut = true;
    const waits = new Promise((resolve) => this.waiters.push(resolve));
    const result = await act();
    await waits;
    return result;
  }

  open() {
    this.shut = false;
    for (const { server, bytes } of this.held.splice(0)) server.write(bytes);
  }
}
