// What users of TypeScript write, against the declarations that are published. Compiled, never run.
import { Client, SluicegateError, type Gap, type Message, type Page } from '@sluicegate/client';
import { decode, NumberText } from '@sluicegate/client/msgpack';

const client = new Client('wss://host/ws', {
  getToken: async ({ reason }) => (reason === 'expired' ? 'new' : 'old'),
  transports: ['websocket', 'sse', 'poll'],
  reconnect: { baseMs: 500 },
  format: 'msgpack',
});
client.on('state', ({ state, code, retryInMs }) => console.log(state.length, code?.toFixed(), retryInMs?.toFixed()));
client.on('error', (error: SluicegateError) => console.log(error.reason, error.retryAfterMs?.toFixed(), error.plugin?.length));

export async function use(): Promise<Message<{ text: string }>[]> {
  await client.connect();
  const room = client.channel('room', { recover: true, presence: true });
  const off: () => void = room.on('message', ({ data, offset, from }) => console.log(data, offset?.toFixed(), from?.user));
  room.on('gap', ({ from, to }: Gap) => console.log(from.offset, to?.epoch));
  room.on('presence', (members) => members.map(({ user, session }) => user ?? session));
  const { id, duplicate } = await room.publish({ text: 'hi' }, { ephemeral: true, echo: false, key: 'k', timeoutMs: 1 });
  const page: Page = await room.history({ limit: 10, since: { epoch: 'E', offset: 1 }, reverse: true });
  for await (const message of room.history.all()) console.log(message.ts.toFixed());
  for await (const message of room) if (message.recovered) break;
  room.typing().on('change', (users) => users.join());
  off();
  console.log(id.length, duplicate, page.epoch, new NumberText('1').text, decode(new Uint8Array()));
  // @ts-expect-error there is no such event
  room.on('nothing', () => {});
  // @ts-expect-error there is no such state
  if (room.state === 'open') return [];
  return page;
}
