// Starts the broker under test with the demo's own configuration, moved to a free port.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const DEMO = new URL('../../xtask/demo/sluicegate.toml', import.meta.url);
const START_MS = 180_000; // to compile three plugins on a cold and busy machine

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo xtask test\` sets it`);
  return value;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export class Broker {
  /** A broker that listens, at `url`. */
  static async start(port) {
    const broker = new Broker();
    broker.port = port ?? (await freePort());
    broker.url = `http://127.0.0.1:${broker.port}/`;
    broker.folder = await mkdtemp(join(tmpdir(), 'sluicegate-'));
    const file = join(broker.folder, 'sluicegate.toml');
    const text = await readFile(DEMO, 'utf8');
    await writeFile(
      file,
      text
        .replaceAll('127.0.0.1:8080', `127.0.0.1:${broker.port}`)
        .replaceAll('localhost:8080', `localhost:${broker.port}`)
        .replaceAll('127.0.0.1:8081', '')
        .replaceAll('../../target/plugins', required('SLUICEGATE_PLUGINS')),
    );
    await broker.#spawn(file);
    return broker;
  }

  async #spawn(file) {
    const args = ['serve', '--demo', '--config', file];
    this.process = spawn(required('SLUICEGATE_BIN'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = [];
    createInterface(this.process.stderr).on('line', (line) => this.log.push(line));
    this.exited = once(this.process, 'exit');
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`the broker ${why}\n${this.log.join('\n')}`));
      AbortSignal.timeout(START_MS).addEventListener('abort', () => fail('does not listen'));
      this.process.once('exit', (code) => fail(`ended with ${code}`));
      this.process.once('error', reject);
      createInterface(this.process.stdout).on('line', (line) => line.startsWith('listening on http://') && resolve());
    });
  }

  /** Drains and stops it; it must leave in good order. */
  async stop() {
    this.process.kill('SIGTERM');
    const [code] = await this.exited;
    await rm(this.folder, { recursive: true });
    if (code !== 0) throw new Error(`the broker ended with ${code}\n${this.log.join('\n')}`);
  }
}
