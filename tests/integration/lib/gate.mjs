// A gate in front of a Redis: while it is shut, whoever subscribes to something waits, and all else goes on.
import net from 'node:net';

export class Gate {
  shut = false;
  held = []; // {server, bytes} in the order in which they came
  sockets = new Set();
  waiters = [];

  /** In front of the Redis at that socket. */
  static async start(socket) {
    const gate = new Gate();
    gate.server = net.createServer((client) => gate.serve(client, net.connect(socket())));
    await new Promise((resolve) => gate.server.listen(0, '127.0.0.1', resolve));
    gate.port = gate.server.address().port;
    return gate;
  }

  serve(client, server) {
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
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

  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
